"""Run a grid of methods, tasks and seeds, and print the table; the same command resumes.

`--help` prints the full help from tfuda/cli/commands/benchmark.py, which is also `tfuda benchmark`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("benchmark")
