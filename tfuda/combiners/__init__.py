"""Hold the combiners, which turn the terms of a step into gradients."""
