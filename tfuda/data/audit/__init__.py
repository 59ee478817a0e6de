"""Check a data folder before training."""
