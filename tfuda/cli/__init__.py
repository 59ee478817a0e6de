"""The commands, as run/ and `tfuda COMMAND` call them."""
