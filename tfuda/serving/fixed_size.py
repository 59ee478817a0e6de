"""Predict with models in one file that take images of one size, as .tflite and .onnx do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfuda.data import views
from tfuda.serving.saved_model import checked_network, fit_size


class FixedSize:
    """Resize and crop pictures as evaluation does, and run a model on them; one thread at a time may call the object.

    Args:
        answer: the model, images uint8 [n, *size] -> probabilities float32 [n, K].
        classes: names of the classes.
        view: the network's view.
        size: (H, W, 3).
    """

    def __init__(
        self,
        answer: Callable[[np.ndarray], np.ndarray],
        classes: list[str],
        view: views.View,
        size: tuple[int, ...],
    ):
        self.answer, self.classes, self.size = answer, classes, tuple(size)
        self.fit = tf.function(
            lambda picture: fit_size(picture, view, size),
            input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)],
            autograph=False,
        )

    def run(self, ready: Sequence[np.ndarray]) -> np.ndarray:
        """Return probabilities float32 [n, K] of n images of the network's size."""
        return self.answer(np.stack(ready)) if ready else np.zeros([0, len(self.classes)], np.float32)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities float32 [n, K] of images uint8 [n, h, w, 3]; the network's size is taken as it is."""
        checked = checked_network(images)
        return self.run([*checked] if checked.shape[1:] == self.size else [self.fit(one).numpy() for one in checked])

    def files(self, encoded: list[bytes]) -> np.ndarray:
        """Return probabilities float32 [n, K] of encoded pictures."""
        return self.run([self.fit(views.decode(tf.constant(one))).numpy() for one in encoded])
