"""Draw a picture of a run, or of several.

`--help` prints the full help from tfuda/cli/commands/plot.py, which is also `tfuda plot`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("plot")
