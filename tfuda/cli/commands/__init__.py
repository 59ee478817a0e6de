"""One module for each command: its help, its flags and its main."""
