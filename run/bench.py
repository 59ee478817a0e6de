"""Measure the time of a training step of each method, as a ratio to supervised training on as many images.

`--help` says all: tfuda/cli/commands/bench.py, which is also the command `tfuda bench`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("bench")
