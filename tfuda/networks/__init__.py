"""Backbones, heads and discriminators."""
