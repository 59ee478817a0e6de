"""Train in rounds, each from scratch with the predictions of earlier rounds (BIWAA-I); the same command resumes.

`--help` says all: tfuda/cli/commands/rounds.py, which is also the command `tfuda rounds`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("rounds")
