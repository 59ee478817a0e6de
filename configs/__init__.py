"""Configure the benchmarks: one file for each, whose docstring names cells, papers and the numbers to expect."""
