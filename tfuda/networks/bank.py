"""Compute many independent discriminators as one.

    a1 = φ(x W1 + b1) · m1        m1, m2: dropout's masks over the keep probability, 1 in evaluation
    a2 = φ(a1 W2 + b2) · m2
    l  = a2 · w3 + b3                                                       one logit for every member and sample
    J  = dl/dx = (((w3 · m2 · φ'(z2)) W2ᵀ) · m1 · φ'(z1)) W1ᵀ                by plain operations

J is derived in docs/methods/gsda.md#gsda-bank.
Every product is one batched matrix product over all members, so the graph has as many nodes for 2 members as for 400.
J needs no tape of its own, so an ordinary tape differentiates through it, with jit_compile too.

Weights take 4 M (d h + h² + 3 h + 1) bytes. With d = h = 256: 41 MB for Office-Home's 79 discriminators (1 + 13
groups + 65 classes), 218 MB for DomainNet's 415; with h = 1024 they are 416 MB and 2.2 GB. SGD's momentum takes as
much again.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfuda.core import ops
from tfuda.networks.discriminators import stacked
from tfuda.networks.layers import Dropout

# φ and φ' of a pre-activation
ACTIVATIONS = {
    "relu": (tf.nn.relu, lambda z: tf.cast(z > 0, z.dtype)),
    "tanh": (tf.tanh, lambda z: 1.0 - tf.tanh(z) ** 2),
    "softplus": (tf.nn.softplus, tf.sigmoid),
}


class Bank(keras.layers.Layer):
    """Hold many MLPs inputs -> hidden -> hidden -> 1, which share nothing.

    Args:
        count: the number of MLPs.
        inputs: units of the input.
        hidden: units of both hidden layers.
        dropout: rate of dropout after both hidden layers.
        activation: a name in ACTIVATIONS.
        initial: initial weights, "kaiming" or "xavier".
        name: name of the layer.
    """

    def __init__(
        self,
        count: int,
        inputs: int,
        hidden: int,
        dropout: float = 0.0,
        activation: str = "relu",
        initial: str = "kaiming",
        name: str = "bank",
    ):
        super().__init__(dtype=ops.real(), name=name)
        if activation not in ACTIVATIONS:
            raise ValueError(f"unknown activation {activation!r}: choose {', '.join(ACTIVATIONS)}")
        self.count, self.activation = count, activation
        self.dropout = Dropout(dropout, dtype=ops.real(), name="dropout")
        self.hidden = hidden
        shapes = {"w1": (inputs, hidden), "w2": (hidden, hidden), "w3": (hidden,)}
        self.w1, self.w2, self.w3 = (
            self.add_weight(shape=(count, *shape), initializer=stacked(initial, *(*shape, 1)[:2]), name=key)
            for key, shape in shapes.items()
        )
        self.b1, self.b2, self.b3 = (
            self.add_weight(shape=(count, *shape), initializer="zeros", name=key)
            for key, shape in {"b1": (1, hidden), "b2": (1, hidden), "b3": (1,)}.items()
        )
        self.built = True

    def masks(self, x: tf.Tensor, training: bool) -> tuple:
        """Draw dropout's masks of both hidden layers.

        Args:
            x: [count or 1, B, inputs].
            training: False for no dropout.

        Returns:
            Two of [count, B, hidden], over the keep probability; (1, 1) without dropout.
        """
        if not training or not self.dropout.rate:
            return 1.0, 1.0
        with tf.control_dependencies([x]):
            ones = tf.ones([self.count, tf.shape(x)[1], self.hidden], x.dtype)
        return self.dropout(ones, training=True), self.dropout(ones, training=True)

    def judge(self, x: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Return logits and their gradients with respect to the input; both are differentiable.

        Args:
            x: [count, B, inputs], or [1, B, inputs] where all members see the same.
            training: True for dropout.

        Returns:
            l [count, B] and J [count, B, inputs].
        """
        (act, slope), (m1, m2) = ACTIVATIONS[self.activation], self.masks(x, training)
        z1 = tf.matmul(x, self.w1) + self.b1  # [count, B, hidden]
        z2 = tf.matmul(act(z1) * m1, self.w2) + self.b2
        back = tf.matmul(self.w3[:, None] * m2 * slope(z2), self.w2, transpose_b=True)
        jacobian = tf.matmul(back * m1 * slope(z1), self.w1, transpose_b=True)
        return self._last(act(z2) * m2), jacobian

    def call(self, x, training=False):
        """Return the logits.

        Args:
            x: [count, B, inputs], or [1, B, inputs] where all members see the same.
            training: True for dropout.

        Returns:
            l [count, B].
        """
        act, (m1, m2) = ACTIVATIONS[self.activation][0], self.masks(x, training)
        a1 = act(tf.matmul(x, self.w1) + self.b1) * m1
        return self._last(act(tf.matmul(a1, self.w2) + self.b2) * m2)

    def _last(self, a2: tf.Tensor) -> tf.Tensor:
        return tf.einsum("mbh,mh->mb", a2, self.w3) + self.b3
