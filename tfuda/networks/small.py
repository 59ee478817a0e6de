"""Build a small convolutional network for 32 × 32 images: stages of 3 × 3 convolutions with batch norm."""

from __future__ import annotations

import keras


def small(
    widths: tuple[int, ...] = (16, 32, 64),
    convolutions: int = 2,
    stride: int = 1,
    norm: bool = True,
    smooth: bool = False,
) -> list[keras.layers.Layer]:
    """Return stages for `Network`: the first takes images [B, H, W, 3], each further one halves the map.

    widths: channels of each stage
    convolutions: of each stage
    stride: of the first convolution; 2 saves most of the work
    smooth: softplus and average pooling, for comparisons of replicas (kinks amplify rounding)
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
    """[B, h, w, C] -> [B, h / stride, w / stride, width]."""
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
        layers.append(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"norm_{name}"))
    return [*layers, keras.layers.Activation(activation, name=f"activation_{name}")]
