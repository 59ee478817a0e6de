"""MADA: Multi-Adversarial Domain Adaptation (Pei et al., AAAI 2018), https://arxiv.org/abs/1809.02176

    p_k       softmax(logits)_k, what the network says of class k          a constant by default
    view      v_k = p_k f                                                  one for each class
    verdict   D_k(GRL_c(v_k))                                              K discriminators that share nothing
    L_domain  mean over domains, samples and classes of BCE(sigmoid(D_k), domain),  source 1, target 0
    L         L_task + trade_off L_domain

All discriminators are one (networks/bank.py). The paper sums over classes and divides by all samples:
`trade_offs.domain=K`. The mean over classes keeps the trade-off what it is for DANN. Whether gradients flow through p
is not stated: `detached=False` lets them, reversed as all of v.
"""

from __future__ import annotations

import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.methods.dann import DANN
from tfuda.networks.bank import Bank


class MADA(DANN):
    """Show each class's discriminator the features, weighted by that class's probability."""

    epsilon = 0.0
    hidden = 256
    detached = True  # True: predictions are constants in the views; False: gradients flow

    reads = ("features", "logits")

    def make(self, probe):
        if self.width != 1:
            raise ValueError(f"mada has two domains: leave out width={self.width}")
        classes, width = probe.logits.shape[-1], probe.features.shape[-1]
        self.bank = Bank(classes, width, self.hidden, self.dropout, initial=self.initial, name="discriminators")

    def view(self, stream):
        """Return the features weighted by each class's probability, [K, B, d]."""
        p = tf.nn.softmax(stream.logits)
        p = tf.stop_gradient(p) if self.detached else p
        return tf.transpose(p)[:, :, None] * stream.features

    def judge(self, stream):
        return tf.transpose(self.bank(self.reversed(stream), training=True))  # [B, K]

    def wrong(self, label, verdict):
        label = tf.broadcast_to(label[:, None], tf.shape(verdict))
        return tf.reduce_mean(losses.binary_cross_entropy(label, verdict, self.epsilon), -1)

    def seen_through(self, batch, verdicts):
        """Return the share of correct verdicts, over all classes' discriminators."""
        found = [tf.cast((v > 0) == (self.label(batch, n)[:, None] > 0), ops.real()) for n, v in verdicts.items()]
        return {"discriminator": ops.mean(tf.reduce_mean(tf.concat(found, 0), -1))}
