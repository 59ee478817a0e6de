"""What a step, the input, a bank of discriminators and serving cost."""
