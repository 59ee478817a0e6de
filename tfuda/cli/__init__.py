"""Start the commands for run/ and for `tfuda COMMAND`."""
