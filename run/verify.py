"""Look through a data folder before training: what stops it, and what is not what it looks like.

`--help` says all: tfuda/cli/commands/verify.py, which is also the command `tfuda verify`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("verify")
