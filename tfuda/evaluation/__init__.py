"""Accuracy on labels, and validators that need none."""
