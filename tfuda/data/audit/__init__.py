"""A look through a data folder before training."""
