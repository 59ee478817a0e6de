"""Write the weights of a torchvision ResNet as a file that holds arrays only, no pickle.

`--help` says all: tfuda/cli/commands/convert.py, which is also the command `tfuda convert`.
"""

from tfuda.cli.main import run_command

if __name__ == "__main__":
    run_command("convert")
