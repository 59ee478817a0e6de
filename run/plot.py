"""Draw a picture of a run, or of several.

`--help` says all: tfuda/cli/commands/plot.py, which is also the command `tfuda plot`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("plot")
