"""Report what runs have shown: pages for a browser, tables, and a comparison of validators.

`--help` prints the full help from tfuda/cli/commands/report.py, which is also `tfuda report`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("report")
