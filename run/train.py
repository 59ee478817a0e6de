"""Train a method on a task; the same command resumes.

`--help` prints the full help from tfuda/cli/commands/train.py, which is also `tfuda train`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("train")
