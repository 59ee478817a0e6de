"""Export a run's network as a model that serves without this library.

`--help` prints the full help from tfuda/cli/commands/export.py, which is also `tfuda export`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("export")
