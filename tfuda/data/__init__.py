"""Domains, protocols, and the pipeline from them to batches."""
