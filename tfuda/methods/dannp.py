"""DANNP: DANN on class probabilities, the baseline of ToAlign (https://arxiv.org/abs/2106.10812) and MetaAlign.

    view        v = softmax(logits)                    gradients flow through the probabilities, not detached
    confidence  e = exp(-GRL_c(H(p))),  w = e / sum e per domain, the sum detached
    L           as DANN

ToAlign's repository holds no trainer for it (docs/methods/adversarial.md#dannp).
Entropy weights and trade-off 1 are those of the code that it cites (GVB, MetaAlign);
`entropic=False` gives weight 1 to every sample.
"""

from __future__ import annotations

import tensorflow as tf

from tfuda.methods.dann import DANN


class DANNP(DANN):
    """Show the discriminator class probabilities, and weigh confident samples more."""

    entropic = True

    reads = ("logits",)

    def view(self, stream):
        return tf.nn.softmax(stream.logits)
