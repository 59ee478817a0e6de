"""Predict the classes of pictures with an exported model.

`--help` prints the full help from tfuda/cli/commands/predict.py, which is also `tfuda predict`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("predict")
