"""What runs have shown, as pages and tables."""
