"""Hold what several methods share."""
