"""JAN: Deep Transfer Learning with Joint Adaptation Networks (Long et al., ICML 2017), https://arxiv.org/abs/1605.06636

    layers   f and softmax(z)
    JMMD     MMD under the product over layers of their kernels; five for f, one of width 0.92 for softmax(z)
    L        L_task + trade_off JMMD                                        tfuda/methods/shared/mmd.py

    jan[adversarial=True]   JAN-A: every layer passes through a linear map θ_l, the identity at first, which learns to
                            make JMMD larger while the network makes it smaller: L_task + trade_off max_θ JMMD

In JAN-A a reversal stands on either side of θ_l, so the network's own gradient has its sign back. `theta_rate` is the
factor on θ's gradient, 0.1 of the new layers' rate in tllib; the network's gradient does not have it. (tllib's is a
rate, which weight decay has too; with an optimizer that scales gradients, as Adam, the factor says nothing.)

tllib's `estimator` is "quad" here, "linear" its --linear. Labelled target images join the task alone. Both domains
bring equally many images.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfuda.core import ops
from tfuda.methods.dan import DAN
from tfuda.methods.shared import mmd


class JAN(DAN):
    """Pull the joint distributions of features and class probabilities together."""

    estimator = "quad"
    adversarial = False  # True: JAN-A, where linear maps learn to make the discrepancy larger
    theta_rate = 0.1  # factor on the gradient of those maps

    reads = ("features", "logits")

    def make(self, probe):
        super().make(probe)
        widths = [x.shape[-1] for x in self.layers_of(probe)] if self.adversarial else []
        self.thetas = [
            keras.layers.Dense(width, kernel_initializer="identity", dtype=ops.real(), name=f"theta_{i}")
            for i, width in enumerate(widths)
        ]
        for theta, width in zip(self.thetas, widths, strict=True):
            theta.build((None, width))

    def layers_of(self, stream):
        return [stream.features, tf.nn.softmax(stream.logits)]

    def through(self, layers):
        """Return θ of every layer [N, d_l], in the same shapes."""
        if not self.thetas:
            return layers
        rate = tf.constant(self.theta_rate, ops.real())  # of a plain number TensorFlow makes a float32
        inner = [ops.reverse_gradient(x, 1.0 / rate) for x in layers]
        return [ops.reverse_gradient(theta(x), rate) for theta, x in zip(self.thetas, inner, strict=True)]

    def distance(self, source, target):
        return mmd.jmmd(self.through(source), self.through(target), estimator=self.estimator)
