"""Verify a data folder before training: find what stops a training, and what may be a mistake.

`--help` prints the full help from tfuda/cli/commands/verify.py, which is also `tfuda verify`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("verify")
