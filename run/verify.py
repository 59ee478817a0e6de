"""Verify a data folder before training: find what stops a training, and what may be a mistake.

`--help` says all: tfuda/cli/commands/verify.py, which is also the command `tfuda verify`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("verify")
