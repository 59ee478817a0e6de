"""Define the training step and its parts."""
