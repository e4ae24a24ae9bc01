"""One run, as pure functions: knows nothing of grids, devices or disks."""
