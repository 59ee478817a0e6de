"""Measure the time of a training step of each method, as a ratio to supervised training on as many images.

`--help` prints the full help from tfuda/cli/commands/bench.py, which is also `tfuda bench`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("bench")
