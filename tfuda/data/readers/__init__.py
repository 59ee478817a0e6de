"""Read domains: one module for each kind of data set."""
