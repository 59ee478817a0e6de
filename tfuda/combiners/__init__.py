"""Seam 2, terms -> gradients."""
