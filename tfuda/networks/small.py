"""Build a small convolutional network for 32 × 32 images: stages of 3 × 3 convolutions with batch norm."""

from __future__ import annotations

import keras

from tfuda.networks.layers import BatchNormalization


def small(
    widths: tuple[int, ...] = (16, 32, 64),
    convolutions: int = 2,
    stride: int = 1,
    norm: bool = True,
    smooth: bool = False,
) -> list[keras.layers.Layer]:
    """Return the stages of a small network for `Network`.

    Args:
        widths: channels C_i of each stage.
        convolutions: of each stage.
        stride: s of the first convolution; 2 saves most of the work.
        norm: False for no batch norm.
        smooth: True for softplus and average pooling, for comparisons of replicas (kinks amplify rounding).

    Returns:
        Stages from images in 0..255 [B, H, W, 3] to maps [B, H/(s 2^i), W/(s 2^i), C_i].
    """
    pool = keras.layers.AveragePooling2D if smooth else keras.layers.MaxPooling2D
    stages = []
    for i, width in enumerate(widths):
        first = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale") if i == 0 else pool(2, name="pool")
        layers = [first]
        for j in range(convolutions):
            steps = stride if i == j == 0 else 1
            layers += convolution(f"{j}", int(width), steps, norm, "softplus" if smooth else "relu")
        stages.append(keras.Sequential(layers, name=f"backbone_{i}"))
    return stages


def convolution(name: str, width: int, stride: int, norm: bool, activation: str) -> list[keras.layers.Layer]:
    """Return a convolution with its activation: [B, h, w, C] -> [B, h / stride, w / stride, width].

    Args:
        name: the end of the layers' names.
        width: channels of the output.
        stride: of the convolution.
        norm: False for no batch norm.
        activation: a name of Keras.
    """
    layers = [
        keras.layers.Conv2D(
            width,
            3 if stride == 1 else 5,
            stride,
            padding="same",
            use_bias=not norm,
            kernel_initializer="he_normal",
            name=f"convolution_{name}",
        )
    ]
    if norm:
        # PyTorch's momentum .1 and epsilon; Keras's own .99 lags behind a run of some hundred steps
        layers.append(BatchNormalization(unbiased=False, momentum=0.9, epsilon=1e-5, name=f"norm_{name}"))
    return [*layers, keras.layers.Activation(activation, name=f"activation_{name}")]
