"""Seam 1, outputs -> outputs: what of a feature the domain game sees."""
