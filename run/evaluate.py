"""Evaluate a run on the target's test images: accuracy, accuracy by class, confusion matrix.

`--help` prints the full help from tfuda/cli/commands/evaluate.py, which is also `tfuda evaluate`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("evaluate")
