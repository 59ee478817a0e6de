"""Search a config's `sweep` with keras-tuner, on a validator that reads no target label; again to resume.

`--help` says all: tfuda/cli/commands/tune.py, which is also the command `tfuda tune`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("tune")
