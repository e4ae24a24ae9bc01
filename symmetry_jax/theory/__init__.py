"""Closed forms that studies are held against; imports nothing of the laboratory but what is said to a user."""
