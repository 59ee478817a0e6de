"""LeNet, LeCun et al. 1998 (http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf), as digits are adapted with it.

    conv 5x5, 20 - ReLU | max pool 2 - conv 5x5, 50 - ReLU | max pool 2 - dense 500 - ReLU | classifier of `Network`

Its dense layer is the last stage, a convolution as large as the map that it meets, because `Network` averages the
last map over its positions, and LeNet does not: here one position is left, and the average changes nothing.
"""

from __future__ import annotations

import keras


def lenet(size: int = 32, hidden: int = 500) -> list[keras.layers.Layer]:
    """Return three stages for `Network`.

    Args:
        size: S, the side of the images, 28 or 32 for digits; larger images than said give an average over positions.
        hidden: units of the dense layer.

    Returns:
        Stages from images in 0..255 [B, S, S, 3] to [B, S-4, S-4, 20], [B, S/2-6, S/2-6, 50] and [B, 1, 1, hidden].
    """
    side = ((size - 4) // 2 - 4) // 2  # of the map that the dense layer sees
    if side < 1:
        raise ValueError(f"size={size}: LeNet needs images of 16 × 16 at least")
    plan = [("conv", 20, 5), ("conv", 50, 5), ("dense", hidden, side)]
    stages = []
    for i, (name, width, kernel) in enumerate(plan):
        if i == 0:
            first: keras.layers.Layer = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescale")
        else:
            first = keras.layers.MaxPooling2D(2, name="pool")
        layer = keras.layers.Conv2D(width, kernel, kernel_initializer="he_normal", activation="relu", name=name)
        stages.append(keras.Sequential([first, layer], name=f"backbone_{i}"))
    return stages
