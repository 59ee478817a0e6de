"""Hold one file per paper or baseline."""
