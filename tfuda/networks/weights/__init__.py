"""Read weight files."""
