"""Test the five papers' claims on the emoji and write a page about them; the same command resumes.

`--help` prints the full help from tfuda/cli/commands/claims.py, which is also `tfuda claims`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("claims")
