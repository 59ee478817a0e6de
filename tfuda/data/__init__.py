"""Define domains and protocols, and the pipeline that turns them into batches."""
