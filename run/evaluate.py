"""Evaluate a run on the target's test images: accuracy, accuracy by class, confusion matrix.

`--help` says all: tfuda/cli/commands/evaluate.py, which is also the command `tfuda evaluate`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("evaluate")
