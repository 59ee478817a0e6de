"""Write the weights of a torchvision ResNet to a file that holds only arrays and no pickle.

    python run/convert.py --weights=resnet50-0676ba61.pth --out=resnet50.weights.h5

A config takes either file: --config.weights=resnet50.weights.h5
"""

from absl import flags

from tfuda.cli import launch
from tfuda.networks import resnet

WEIGHTS = flags.DEFINE_string("weights", None, "the .pth file")
OUT = flags.DEFINE_string("out", None, "the .weights.h5 file to write")
DEPTH = flags.DEFINE_integer("depth", 0, "depth of the ResNet; 0 to read the depth from the file")


def main(words):
    depth = DEPTH.value or resnet.depth_of(resnet.tensors_of(WEIGHTS.value)[0])
    if not depth:
        raise ValueError(f"{WEIGHTS.value} holds no ResNet of depth {', '.join(map(str, resnet.BLOCKS))}")
    tensors, parameters = resnet.save_weights(resnet.resnet(depth, WEIGHTS.value), OUT.value)
    print(f"{OUT.value}: ResNet-{depth}, {tensors} tensors, {parameters:,} parameters")


def run() -> None:
    """Run this command on the words of the command line, and exit."""
    launch.launch(main, needs=["weights", "out"])
