"""Adapt to a target folder with a method that is chosen without target labels: `tfuda adapt`."""
