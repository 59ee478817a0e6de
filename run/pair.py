"""Pair every training picture of two domains with its translation to the other; the same command again resumes it.

`--help` says all: tfuda/cli/commands/pair.py, which is also the command `tfuda pair`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("pair")
