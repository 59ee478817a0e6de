"""What to run: one file for each benchmark; its docstring holds the cells, the papers and the numbers to expect."""
