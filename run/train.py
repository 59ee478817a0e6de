"""Train a method on a task; the same command resumes.

`--help` says all: tfuda/cli/commands/train.py, which is also the command `tfuda train`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("train")
