"""Predict the classes of pictures with an exported model.

`--help` says all: tfuda/cli/commands/predict.py, which is also the command `tfuda predict`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("predict")
