"""Adapt to a folder of pictures by the method that suits it, chosen without labels; the same command resumes.

`--help` prints the full help from tfuda/cli/commands/adapt.py, which is also `tfuda adapt`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("adapt")
