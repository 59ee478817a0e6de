"""Seam 3, (batch, outputs) -> a term that any method can take beside its own."""
