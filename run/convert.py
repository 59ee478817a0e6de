"""Write the weights of a torchvision ResNet to a file that holds only arrays and no pickle.

`--help` prints the full help from tfuda/cli/commands/convert.py, which is also `tfuda convert`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("convert")
