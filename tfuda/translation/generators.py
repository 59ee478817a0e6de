"""The networks of CycleGAN, Zhu et al. 2017 (https://arxiv.org/abs/1703.10593): docs/methods/daaa.md#cyclegan.

Generator, images in [-1, 1] -> images in [-1, 1], width w:

    c7s1-w  d-2w  d-4w  R-4w × blocks  u-2w  u-w  c7s1-3
    c7s1-k  reflect 3, convolution 7 × 7, norm, ReLU; the last has a bias and tanh in their place
    d-k     zeros 1, convolution 3 × 3 of stride 2, norm, ReLU
    R-k     x + norm(conv(reflect 1, relu(norm(conv(reflect 1, x)))))     convolutions 3 × 3
    u-k     transposed convolution 3 × 3 of stride 2, norm, ReLU
    blocks  9 from 256 × 256 on, else 6

Discriminator (PatchGAN), images in [-1, 1] -> a verdict for every patch, width w:

    C-w  C-2w  C-4w ... (`layers` of them), then C of stride 1 and a last convolution to 1 channel; at most 8w
    C-k     zeros 1, convolution 4 × 4 of stride 2, norm (not in the first), LeakyReLU .2
    layers  3 sees patches of 70 × 70, 2 of 34 × 34, 1 of 16 × 16: the largest that fits the image

    norm(x) = (x - mean) / sqrt(variance + 1e-5) over the positions of one channel of one image; no scale, no offset

So a generator does not see brightness and contrast: of x and a x + b it makes the same picture, for any a > 0, and no
cycle brings them back. `seeing=True` hands x to the last convolution, beside what the layers before it made of x.

All weights start from N(0, .02), biases from 0. The released code adds a bias before every norm, which the norm takes
away again; there is none here. Padding is PyTorch's, so its transposed convolution loses the first row and column.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfuda.core import ops

PATCHES = {3: 70, 2: 34, 1: 16}  # layers of stride 2 in a discriminator: side of the patch that it sees
SLOPE = 0.2


class Reflect(keras.layers.Layer):
    """Pad by reflection without repeating the border: x [B, h, w, C] -> [B, h + 2 width, w + 2 width, C]."""

    def __init__(self, width: int, **options):
        super().__init__(**options)
        self.width = width

    def call(self, x):
        around = [self.width, self.width]
        return tf.pad(x, [[0, 0], around, around, [0, 0]], "REFLECT")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        more = 2 * self.width
        return batch, height and height + more, width and width + more, channels


def norm(name: str, epsilon: float = 1e-5) -> keras.layers.Layer:
    """Create instance normalisation, in float32 or wider also under mixed precision."""
    return keras.layers.GroupNormalization(
        groups=-1, epsilon=epsilon, center=False, scale=False, dtype=ops.real(), name=name
    )


def normal() -> keras.Initializer:
    """Create the initializer N(0, .02)."""
    return keras.initializers.RandomNormal(0.0, 0.02)


def convolution(name: str, width: int, size: int, stride: int = 1, **options) -> keras.layers.Layer:
    """Create a convolution without padding: [B, h, w, C] -> [B, (h - size) / stride + 1, ..., width]."""
    return keras.layers.Conv2D(
        width, size, stride, kernel_initializer=normal(), name=f"convolution_{name}", **options
    )


def down(name: str, width: int) -> list[keras.layers.Layer]:
    """Create d-k: [B, h, w, C] -> [B, h/2, w/2, width]."""
    return [
        keras.layers.ZeroPadding2D(1, name=f"pad_{name}"),
        convolution(name, width, 3, 2, use_bias=False),
        norm(f"norm_{name}"),
        keras.layers.ReLU(name=f"relu_{name}"),
    ]


def up(name: str, width: int) -> list[keras.layers.Layer]:
    """Create u-k: [B, h, w, C] -> [B, 2h, 2w, width]."""
    return [
        keras.layers.Conv2DTranspose(
            width, 3, 2, use_bias=False, kernel_initializer=normal(), name=f"convolution_{name}"
        ),  # [B, 2h + 1, 2w + 1, width]
        keras.layers.Cropping2D(((1, 0), (1, 0)), name=f"crop_{name}"),
        norm(f"norm_{name}"),
        keras.layers.ReLU(name=f"relu_{name}"),
    ]


class Residual(keras.layers.Layer):
    """Apply R-k: x [B, h, w, width] -> the same shape."""

    def __init__(self, width: int, **options):
        super().__init__(**options)
        layers: list[keras.layers.Layer] = []
        for i in range(2):
            layers += [Reflect(1, name=f"pad_{i}"), convolution(f"{i}", width, 3, use_bias=False), norm(f"norm_{i}")]
            layers += [] if i else [keras.layers.ReLU(name="relu")]
        self.body = keras.Sequential(layers, name="body")

    def build(self, input_shape):
        self.body.build(input_shape)

    def call(self, x):
        return x + tf.cast(self.body(x), x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape


class Beside(keras.layers.Layer):
    """Concatenate x [B, h, w, C] to the output [B, h, w, D] of `layers` on x: [B, h, w, D + C]."""

    def __init__(self, layers: list[keras.layers.Layer], **options):
        super().__init__(**options)
        self.body = keras.Sequential(layers, name="body")

    def build(self, input_shape):
        self.body.build(input_shape)

    def call(self, x):
        made = self.body(x)
        return tf.concat([made, tf.cast(x, made.dtype)], -1)

    def compute_output_shape(self, input_shape):
        *around, channels = self.body.compute_output_shape(input_shape)
        return *around, channels + input_shape[-1]


def generator(
    size: int, width: int = 64, blocks: int = 0, name: str = "generator", seeing: bool = False
) -> keras.Sequential:
    """Create a generator: [B, size, size, 3] in [-1, 1] -> the same shape and range.

    Args:
        size: height and width of the images.
        width: channels of the first layer.
        blocks: residual blocks; 0 for 9 from size 256 on and 6 below.
        name: name of the network.
        seeing: pass the image itself to the last convolution.
    """
    check_size(size)
    layers: list[keras.layers.Layer] = [
        Reflect(3, name="pad_first"),
        convolution("first", width, 7, use_bias=False),
        norm("norm_first"),
        keras.layers.ReLU(name="relu_first"),
        *down("down_0", 2 * width),
        *down("down_1", 4 * width),
        *(Residual(4 * width, name=f"block_{i}") for i in range(blocks or (9 if size >= 256 else 6))),
        *up("up_0", 2 * width),
        *up("up_1", width),
    ]
    last = [
        Reflect(3, name="pad_last"),
        convolution("last", 3, 7),
        keras.layers.Activation("tanh", dtype=ops.real(), name="tanh"),
    ]
    made = keras.Sequential([*([Beside(layers, name="beside")] if seeing else layers), *last], name=name)
    made.build((None, size, size, 3))
    return made


def discriminator(size: int, width: int = 64, layers: int = 0, name: str = "discriminator") -> keras.Sequential:
    """Create a discriminator: [B, size, size, 3] in [-1, 1] -> verdicts [B, h, w, 1].

    layers: layers of stride 2; 0 for the largest patch that fits
    """
    check_size(size)
    count = layers or next(count for count, side in PATCHES.items() if side <= size)
    made = []
    for i in range(count + 1):
        layer, stride = f"{i}", 2 if i < count else 1
        made += [
            keras.layers.ZeroPadding2D(1, name=f"pad_{layer}"),
            convolution(layer, width * min(2**i, 8), 4, stride, use_bias=i == 0),
            *([norm(f"norm_{layer}")] if i else []),
            keras.layers.Activation(leaky, name=f"relu_{layer}"),
        ]
    made += [keras.layers.ZeroPadding2D(1, name="pad_verdict"), convolution("verdict", 1, 4, dtype=ops.real())]
    found = keras.Sequential(made, name=name)
    found.build((None, size, size, 3))
    return found


def leaky(x) -> tf.Tensor:
    """Apply LeakyReLU; after a bias TensorFlow's own op makes the graph optimizer print warnings on stderr."""
    return tf.where(x > 0, x, SLOPE * x)


def check_size(size: int) -> None:
    """Raise ValueError if images cannot be halved twice, or are smaller than the smallest patch."""
    if size % 4 or size < min(PATCHES.values()):
        raise ValueError(
            f"images of {size} × {size}: the generators halve them twice, so their side has to be a multiple of 4 "
            f"and {min(PATCHES.values())} at least (config.pairs.size)"
        )
