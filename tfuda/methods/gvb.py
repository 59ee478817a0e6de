"""GVB-GD: Gradually Vanishing Bridge for Adversarial Domain Adaptation (Cui et al., CVPR 2020),
https://arxiv.org/abs/2003.13183

    bridge of the generator       z = g(f)                            what is left of the domain in the features
    logits                        y = F(f) - z                        for the task, the discriminator and the answer
    view, confidence              v = softmax(y), e = exp(-GRL_c(H(v)))         as DANNP
    bridge of the discriminator   h(t),  t = trunk(GRL_c(v))          what of the verdict is no common ground
    verdict                       D = d(t) - h(t)                     d and h are linear, the trunk is shared
    L_generator_bridge            mean |z|                            over classes, images and streams
    L_discriminator_bridge        mean |h|                            over images and streams
    L                             L_task + trade_off L_domain + both bridges, each times its trade_off

The generator's bridge is HDA's heuristic with one linear part; HDA came a year later and has three. So the head, the
regulariser and the settings for several sources and for a labelled target are HDA's. GVB itself knows one source and
an unlabelled target. With n ways every output of the discriminator has a bridge of its own.

Departures, and the option that selects the other:
- |h| reaches the features through the reversal too, as in the released code: the discriminator shrinks its bridge and
  the generator stretches it.
- The released code's own trade-offs are 0 for both bridges, and 1 in the commands of its README: 1 here. One bridge
  alone is `trade_offs.discriminator_bridge=0` or `trade_offs.generator_bridge=0`, which leave it unpunished.
- F and g both start from Kaiming's values with bias 0, unlike HDA's nearly silent F.
- The ramp's horizon is the run's length; in the released code it is 10000 and the discriminator counts one step
  ahead: `ramp_steps=10000`, `ramp_ahead=1`.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfuda.core import ops
from tfuda.methods.dannp import DANNP
from tfuda.methods.hda import HDA
from tfuda.networks.discriminators import initializer
from tfuda.networks.heads import HeuristicHead


class GVB(HDA):
    """Train DANNP with a bridge subtracted in generator and discriminator, and shrink both bridges."""

    trade_offs = {
        **DANNP.trade_offs,
        "generator_bridge": 1.0,  # factor on the size of the generator's bridge
        "discriminator_bridge": 1.0,  # factor on the size of the discriminator's bridge
    }

    @classmethod
    def head(cls, classes, options=None):
        return HeuristicHead(classes, slopes=(0,), fundament=0)

    def make(self, probe):
        super().make(probe)
        initial = initializer(self.initial)
        self.bridge = keras.layers.Dense(self.width, kernel_initializer=initial, dtype=ops.real(), name="bridge")
        self.bridge.build([None, self.hidden])

    def judge(self, stream):
        """Return d and h side by side, [B, 2 width], on the reversed view."""
        *trunk, plain = self.discriminator.layers
        t = self.reversed(stream)
        for layer in trunk:
            t = layer(t, training=True)  # [B, hidden]
        return tf.concat([plain(t), self.bridge(t)], -1)

    def compare(self, batch, seen, verdicts):
        d, h = {}, []
        for name, both in verdicts.items():
            plain, bridge = tf.split(both, 2, -1)  # [B, width] each
            d[name] = plain - bridge
            h.append(tf.reduce_mean(tf.abs(bridge), -1))  # [B]
        return {**super().compare(batch, seen, d), "discriminator_bridge": ops.mean(tf.concat(h, 0))}

    def regularise(self, batch, outputs):
        return {"generator_bridge": super().regularise(batch, outputs)["heuristic"]}
