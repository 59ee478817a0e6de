"""Provide the base of methods with a frozen source network, made by tfuda/experiment/prerequisites.py."""

from __future__ import annotations

import tensorflow as tf

from tfuda.core.method import Method
from tfuda.networks.base import Network, Outputs


class Taught(Method):
    """Train with a frozen teacher: the source network, which only training needs."""

    copy = False  # True for a network that starts as its teacher

    def __init__(self, network: Network, *seams, teacher: Network | None = None, **options):
        super().__init__(network, *seams, **options)
        self._guide = None
        if teacher is not None:
            teacher.trainable = False
            self._guide = lambda images: teacher(images, training=False)  # a model would be saved with this one
            if self.copy:
                network.set_weights(teacher.get_weights())

    def guide(self, images: tf.Tensor) -> Outputs:
        """Return the teacher's Outputs for images [B, H, W, 3]."""
        if self._guide is None:
            name = type(self).__name__.lower()
            raise ValueError(
                f"{name} trains with a teacher: pass one to build.method, as experiment/prerequisites.py makes it"
            )
        return self._guide(images)
