"""Train in rounds, each from scratch with what earlier ones predicted (BIWAA-I); the same command again resumes.

`--help` says all: tfuda/cli/commands/rounds.py, which is also the command `tfuda rounds`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("rounds")
