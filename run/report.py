"""What runs have shown: pages to read in a browser, tables, and which validator to believe.

`--help` says all: tfuda/cli/commands/report.py, which is also the command `tfuda report`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("report")
