"""MDD: Bridging Theory and Algorithm for Domain Adaptation (Zhang et al., ICML 2019), https://arxiv.org/abs/1904.05801

    h(x)      argmax of the logits: what the head says, a constant
    z'        an adversary's logits, of the head's form, on GRL_c(f)
    margin    γ mean CE(z'_s, h(x_s)) - mean log(1 - softmax(z'_t)[h(x_t)] + 1e-6)         γ = `margin`
    L         L_task + trade_off margin

The adversary agrees with the head on the source and disagrees on the target; the features leave it no way to. The
logarithm's argument is at most 1. No discriminator: the domains' disparity is measured by a second classifier.

The terms are the public implementation's. It has a bottleneck of 1024 (2048 on Office-Home) with batch norm, ReLU and
dropout: `network.neck=norm+dropout`. Its heads have one hidden layer, γ is 4, and the reversal goes to 0.1 over 10000
steps: `ramp_height=0.1`, `ramp_steps=10000`. The ramp's horizon is the run's length by default here. Labelled target
images join the task. Weighers act on the features that the adversary reads.
"""

from __future__ import annotations

import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.core.method import Method
from tfuda.networks.discriminators import mlp


def denial(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return -log(1 - p of the label + 1e-6) as [B], for labels int [B] and logits [B, K]."""
    p = tf.gather(tf.nn.softmax(logits), labels, batch_dims=1)
    return -tf.math.log(tf.minimum(1.0 - p + 1e-6, 1.0))


class MDD(Method):
    """Train a second classifier to differ from the first on the target alone."""

    trade_offs = {
        "task": 1.0,  # factor on the cross-entropy of the labelled images
        "margin": 1.0,  # factor on the disparity of the domains
    }
    margin = 4.0  # γ, factor on the source's part of the disparity
    hidden = 1024  # units of the hidden layer of head and adversary
    dropout = 0.5  # of head and adversary
    initial = "xavier"  # initial weights of head and adversary: kaiming or xavier
    ramp_height = 0.1

    reads = ("features",)

    @classmethod
    def head(cls, classes, options=None):
        options = options or cls.options()
        return mlp(options["hidden"], classes, options["dropout"], 1, options["initial"], "head")

    def make(self, probe):
        classes = probe.logits.shape[-1]
        self.adversary = mlp(self.hidden, classes, self.dropout, 1, self.initial, "adversary")
        self.adversary(probe.features)

    def align(self, batch, outputs):
        seen = self.weigh(self.network, batch, outputs)
        said = {}
        for name in ("source", "target"):
            reversed_ = ops.reverse_gradient(seen[name].features, self.reversal())
            label = tf.argmax(outputs[name].logits, -1, tf.int32)  # [B]
            said[name] = label, self.adversary(reversed_, training=True)
        agree = losses.cross_entropy(*said["source"]) * self.importance(batch, "source")
        differ = denial(*said["target"]) * self.importance(batch, "target")
        return {"margin": self.margin * ops.mean(agree) + ops.mean(differ)}
