"""Hold one module for each command, with the command's help, flags and main."""
