"""Train in rounds, each from scratch with the predictions of earlier rounds (BIWAA-I); the same command resumes.

`--help` prints the full help from tfuda/cli/commands/rounds.py, which is also `tfuda rounds`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("rounds")
