"""Write a domain's images as PNG files in class folders, to look at or to predict.

`--help` prints the full help from tfuda/cli/commands/images.py, which is also `tfuda images`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("images")
