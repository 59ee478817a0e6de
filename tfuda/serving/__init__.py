"""From a trained network to files that others serve."""
