"""Datasets as arrays."""
