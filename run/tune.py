"""Search hyper-parameters with keras-tuner, by a validator that reads no target label; the same command resumes.

`--help` says all: tfuda/cli/commands/tune.py, which is also the command `tfuda tune`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("tune")
