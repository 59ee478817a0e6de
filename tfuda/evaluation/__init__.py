"""Measure accuracy on labels, and compute validators that need no target labels."""
