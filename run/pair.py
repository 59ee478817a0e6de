"""Pair each training picture of two domains with a translation to the other domain; the same command resumes.

`--help` prints the full help from tfuda/cli/commands/pair.py, which is also `tfuda pair`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("pair")
