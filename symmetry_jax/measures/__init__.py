"""What is read of a run: measures of training and of symmetry."""
