"""Build the network of DAAA (https://arxiv.org/abs/1801.10068) for MNIST -> MNIST-M.

The paper (4.2) says of it: four convolutional layers, the first three extract features and are aligned, the last one
is the classifier. It leaves open their sizes, widths and strides, where it pools, what it does between them, whether
it normalises, and the size of the images.

Ours: 5x5 convolutions of 64, 128 and 256 channels with batch norm and ReLU, a max pool of 2 before all but the first.
The fourth is `Network`'s own head: an average of the map and a linear layer after it are a 1x1 convolution to the
classes and an average after it.
"""

from __future__ import annotations

import keras

from tfuda.networks.layers import BatchNormalization


def mnist(widths: tuple[int, ...] = (64, 128, 256), kernel: int = 5, norm: bool = True) -> list[keras.layers.Layer]:
    """Return a stage for each of three convolutions.

    Args:
        widths: channels C_i of each convolution.
        kernel: their size.
        norm: True for batch norm after each of them.

    Returns:
        Stages from images in 0..255 [B, H, W, 3] to maps [B, H/2^i, W/2^i, C_i].
    """
    stages = []
    for i, width in enumerate(widths):
        layers: list[keras.layers.Layer] = [
            keras.layers.MaxPooling2D(2, name="pool")
            if i
            else keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale"),
            keras.layers.Conv2D(
                int(width),
                kernel,
                padding="same",
                use_bias=not norm,
                kernel_initializer="he_normal",
                name="convolution",
            ),
        ]
        if norm:
            layers.append(BatchNormalization(unbiased=False, momentum=0.9, epsilon=1e-5, name="norm"))
        stages.append(keras.Sequential([*layers, keras.layers.ReLU(name="relu")], name=f"backbone_{i}"))
    return stages
