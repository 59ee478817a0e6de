"""Measure what a training step, the input, a bank of discriminators and serving cost."""
