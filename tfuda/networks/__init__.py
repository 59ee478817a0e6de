"""Define backbones, heads and discriminators."""
