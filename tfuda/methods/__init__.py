"""One file per paper or baseline."""
