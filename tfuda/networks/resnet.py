"""ResNet, He et al. 2016 (https://arxiv.org/abs/1512.03385), as torchvision has it (v1.5) and with its weights.

    basic block (18, 34):   y = relu(shortcut(x) + bn(3x3 relu(bn(3x3/s x))))
    bottleneck (50, 101):   y = relu(shortcut(x) + bn(1x1 relu(bn(3x3/s relu(bn(1x1 x))))))
    shortcut(x) = x, or bn(1x1/s x) where the shape changes

v1.5 has the stride s in the 3x3 of the bottleneck, the paper and keras.applications in the first 1x1. Keras pads a
convolution of stride 2 on the right and below only; PyTorch on all four sides, and so do we. PyTorch keeps the
unbiased variance of a batch in its moving variance (docs/methods/index.md#network), Keras the biased: `unbiased`
chooses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

import h5py
import keras
import numpy as np

from tfuda import atomic_files
from tfuda.core import ops
from tfuda.networks.layers import BatchNormalization
from tfuda.networks.weights import h5_file, pretrained, torch_file

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
BOTTLENECK = 50  # from this depth on
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's images in 0..1

# What PyTorch calls the variables of a convolution and of a batch norm.
TORCH = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def resnet(depth: int = 50, weights: str = "", unbiased: bool = False) -> list[keras.layers.Layer]:
    """Return five stages for `Network`.

    Args:
        depth: 18, 34, 50 or 101.
        weights: a `.pth` of torchvision, or a `.weights.h5` of run/convert.py; "imagenet" for torchvision's published
            ones (the first version's, IMAGENET1K_V1); "" for random ones.
        unbiased: True for moving variances as PyTorch counts them.

    Returns:
        Stages from images uint8 or float in 0..255 [B, H, W, 3] to maps. The first is [B, H/4, W/4, 64] (convolution
        and pool). layer1 to layer4 of torchvision follow, [B, H/4, W/4, c] to [B, H/32, W/32, 8 c], rounded up. c is
        64 for depths 18 and 34, and 256 for 50 and 101.
    """
    if depth not in BLOCKS:
        raise ValueError(f"depth={depth}: there are ResNets of depth {', '.join(map(str, BLOCKS))}")
    stages, channels = [stem(unbiased)], 64
    stages[0].build((None, None, None, 3))
    for i, count in enumerate(BLOCKS[depth]):
        width, expansion = 64 * 2**i, 4 if depth >= BOTTLENECK else 1
        blocks = []
        for j in range(count):
            stride = 2 if i and not j else 1
            blocks.append(Residual(channels, width, stride, expansion, unbiased, name=f"block_{j}"))
            channels = width * expansion
        stages.append(keras.Sequential(blocks, name=f"backbone_{i + 1}"))
        stages[-1].build((None, None, None, blocks[0].channels))
    if weights:
        load_weights(
            stages, pretrained.imagenet(f"resnet{depth}") if weights == pretrained.IMAGENET else weights, depth
        )
    return stages


# ---- layers


def stem(unbiased: bool) -> keras.Sequential:
    """Return the first stage: images in 0..255 [B, H, W, 3] -> [B, H/4, W/4, 64]."""
    scale = [1 / (255 * deviation) for deviation in DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    layers = [
        keras.layers.Rescaling(scale, offset, dtype=ops.real(), name="standardise"),
        *convolution("1", 64, 7, 2, unbiased),
        keras.layers.ReLU(name="relu"),
        keras.layers.ZeroPadding2D(1, name="pad_pool"),  # zero is the least value after a ReLU
        keras.layers.MaxPooling2D(3, 2, name="pool"),
    ]
    made = keras.Sequential(layers, name="backbone_0")
    made.unattended = True  # DAAA aligns all convolutions but the first
    return made


def convolution(name: str, width: int, size: int, stride: int, unbiased: bool) -> list[keras.layers.Layer]:
    """Return a convolution with batch norm: [B, h, w, C] -> [B, h / stride, w / stride, width], rounded up.

    Args:
        name: the end of the layers' names.
        width: channels of the output.
        size: side of the kernel.
        stride: its stride.
        unbiased: True for moving variances as PyTorch counts them.
    """
    pad = stride > 1 and size > 1  # at stride 1 Keras's "same" is PyTorch's padding
    return [
        *([keras.layers.ZeroPadding2D(size // 2, name=f"pad{name}")] if pad else []),
        keras.layers.Conv2D(
            width,
            size,
            stride,
            padding="same" if stride == 1 else "valid",
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal"),
            name=f"conv{name}",
        ),
        BatchNormalization(unbiased=unbiased, momentum=0.9, epsilon=1e-5, name=f"bn{name}"),
    ]


class Residual(keras.layers.Layer):
    """Compute a block: x [B, h, w, channels] -> [B, h / stride, w / stride, width * expansion].

    Args:
        channels: of the input.
        width: channels in between.
        stride: of the first 3 × 3 convolution.
        expansion: 1 for a basic block, 4 for a bottleneck.
        unbiased: True for moving variances as PyTorch counts them.
    """

    def __init__(self, channels: int, width: int, stride: int, expansion: int, unbiased: bool = False, **options):
        super().__init__(**options)
        self.channels = channels
        sizes = (3, 3) if expansion == 1 else (1, 3, 1)  # of the kernels; the first 3 × 3 strides
        layers: list[keras.layers.Layer] = []
        for i, size in enumerate(sizes, 1):
            last = i == len(sizes)
            step = stride if i == sizes.index(3) + 1 else 1
            layers += convolution(f"{i}", width * expansion if last else width, size, step, unbiased)
            if not last:
                layers.append(keras.layers.ReLU(name=f"relu{i}"))
        self.body = keras.Sequential(layers, name="body")
        self.shortcut = None
        if stride > 1 or channels != width * expansion:
            projection = convolution("", width * expansion, 1, stride, unbiased)
            self.shortcut = keras.Sequential(projection, name="downsample")

    def build(self, input_shape):
        self.body.build(input_shape)
        if self.shortcut is not None:
            self.shortcut.build(input_shape)

    def walk(self, x) -> list:
        """Return the map after each ReLU; the last one is the block's.

        Args:
            x: [B, h, w, channels].
        """
        kept, maps = x if self.shortcut is None else self.shortcut(x), []
        for layer in self.body.layers:
            x = layer(x)
            maps += [x] if isinstance(layer, keras.layers.ReLU) else []
        return [*maps, keras.ops.relu(kept + x)]

    def call(self, x):
        return self.walk(x)[-1]


# ---- weights


def load_weights(stages: list[keras.layers.Layer], path: str, depth: int) -> None:
    """Give the variables of the stages the values of a file.

    Args:
        stages: as `resnet` makes them.
        path: a `.pth` or a `.weights.h5`.
        depth: of the ResNet.

    Raises:
        ValueError: the file is of another depth or network, or damaged.
    """
    found, torch = tensors_of(path)
    if (other := depth_of(found)) and other != depth:
        raise ValueError(f"{path}: these are the weights of a ResNet-{other}, not of a ResNet-{depth}")
    wanted = {
        (torch_name if torch else own_name)(variable): variable for stage in stages for variable in stage.variables
    }
    if torch:  # [out, in, h, w] -> [h, w, in, out]
        found = {key: value.transpose(2, 3, 1, 0) if value.ndim == 4 else value for key, value in found.items()}
    pretrained.give(path, found, wanted, f"a ResNet-{depth}")


def tensors_of(path: str) -> tuple[Mapping[str, np.ndarray], bool]:
    """Read the arrays of a file, without the classifier and the counts of batches.

    Args:
        path: a `.pth` or a `.weights.h5`.

    Returns:
        {key: array}, and True if the keys are PyTorch's.
    """
    if not path.endswith((".pth", ".weights.h5")):
        raise ValueError(f"{path}: weights of a ResNet are a .pth of torchvision or a .weights.h5 of run/convert.py")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"weights={path}: there is no such file")
    if path.endswith(".pth"):
        left_out = re.compile(r"fc\.(weight|bias)|.*num_batches_tracked")
        return {
            key: value for key, value in torch_file.read_tensors(path).items() if not left_out.fullmatch(key)
        }, True
    try:
        with h5py.File(path) as file:
            found = {key: item[()] for key, item in h5_file.read_tensors(file).items()}
    except Exception as error:  # damaged bytes can raise about anything inside h5py
        raise ValueError(f"cannot read {path}: it is damaged or no HDF5 file ({error})") from None
    return found, False


def save_weights(stages: list[keras.layers.Layer], path: str) -> tuple[int, int]:
    """Write a `.weights.h5`, with a data set for each variable under its name.

    Args:
        stages: as `resnet` makes them.
        path: the file.

    Returns:
        The count of tensors, and that of numbers.
    """
    if not path.endswith(".weights.h5"):
        raise ValueError(f"{path}: the name of a file of weights ends in .weights.h5")
    variables = [variable for stage in stages for variable in stage.variables]
    with atomic_files.beside(path) as temporary, h5py.File(temporary, "w") as file:
        for variable in variables:
            file[own_name(variable)] = keras.ops.convert_to_numpy(variable)
    return len(variables), sum(int(np.prod(variable.shape)) for variable in variables)


def own_name(variable: keras.Variable) -> str:
    """Return a variable's path from its stage on, as "backbone_1/block_0/body/conv1/kernel"."""
    return variable.path[variable.path.index("backbone_") :]


def torch_name(variable: keras.Variable) -> str:
    """Return the key of a variable in a `.pth`, as "layer1.0.conv1.weight"."""
    stage, *where, layer, last = own_name(variable).split("/")
    if where and where[-1] == "downsample":
        layer = f"downsample.{0 if layer == 'conv' else 1}"
    block = [f"layer{stage[-1]}", where[0].removeprefix("block_")] if where else []
    return ".".join([*block, layer, TORCH[last]])


def depth_of(keys: Iterable[str]) -> int:
    """Return the depth that the blocks of a file's keys make, 0 if there is no such ResNet."""
    found = re.findall(r"^(?:layer|backbone_)(\d)[./](?:block_)?(\d+)[./](?:body/)?conv(\d)", "\n".join(keys), re.M)
    blocks = tuple(len({j for i, j, _ in found if i == stage}) for stage in "1234")
    deep = any(number == "3" for *_, number in found)
    return next((d for d, count in BLOCKS.items() if count == blocks and (d >= BOTTLENECK) == deep), 0)
