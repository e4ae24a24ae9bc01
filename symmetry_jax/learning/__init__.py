"""One run, as pure functions: knows nothing of grids or devices."""
