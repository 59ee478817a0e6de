"""Search hyper-parameters with keras-tuner, by a validator that reads no target label; the same command resumes.

`--help` prints the full help from tfuda/cli/commands/tune.py, which is also `tfuda tune`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("tune")
