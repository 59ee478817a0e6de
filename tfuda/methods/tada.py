"""TADA: Transferable Attention for Domain Adaptation (Wang et al., AAAI 2019),
https://ojs.aaai.org/index.php/AAAI/article/view/4472

    l_k      D_k(GRL(f_k)), one discriminator for each region k of the last map f       networks/attention.py
    w_k      1 - H(sigmoid(l_k)),   h_k = (1 + w_k) f_k                                 eqs. 3, 4   w a constant
    z        bottleneck(mean_k h_k),   y = head(z)
    L_local  mean over domains, images and regions of BCE(l_k, domain)                  eq. 2
    L_domain mean over domains and images of BCE(D(GRL(z)), domain)                     eq. 5
    m        1 + H(sigmoid(D(z)))                                                       eq. 6       a constant
    entropy  mean over all images of m H(softmax(y))                                    eq. 7
    L        L_task + 0.1 entropy + L_domain + L_local                                  eq. 9, the minus as a reversal

    config line           paper's ablation
    tada[scope=local]     local attention, plain entropy (m = 1), no L_domain and no D
    tada[scope=global]    no attention (h = f), attentive entropy, no L_local
    tada                  local+global

Departures and readings, and the option that selects the other (docs/methods/tada.md#tada-readings;
no code was released):
- Eq. 3 gives the largest w to the regions of which the discriminator is sure. The text wants it for the others, which
  are "more transferable". The printed formula is the default, `weight=entropy` (w = H) is the text's.
- w and m are constants: eq. 10 read literally has the discriminators maximise the task's loss too, `detached=False`.
- All discriminators are dropped out alike; the regions' width is `region_hidden`. 49 regions of 2048 channels take
  29 million weights with 256, 154 million with 1024. `shared=True` is one discriminator for all regions.
- `ramp_loss=True` multiplies L_domain alone; L_local keeps the ramp in its reversal.
- Entropies are natural. m reads the verdicts of training: one pass for the adversarial loss and the entropy.
"""

from __future__ import annotations

import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.core.extension_points import unweighed
from tfuda.methods.dann import DANN
from tfuda.networks.attention import RegionAttention

SCOPES = ("local", "global", "local+global")


class TADA(DANN):
    """Train DANN behind attention to regions, with an entropy that attends to images."""

    trade_offs = {
        **DANN.trade_offs,
        "local": 1.0,  # factor on the adversarial loss of the regions
        "entropy": 0.1,  # factor on the entropy of predictions on all images
    }
    epsilon = 0.0
    scope = "local+global"  # attention by regions (local), of whole images in the entropy (global), or both
    weight = "one_minus_entropy"  # attention of a region: one_minus_entropy of its verdict, or entropy
    detached = True  # True: attention is a constant; False: gradients flow
    shared = False  # True: one discriminator for all regions
    region_hidden = 256  # units of the regions' discriminators

    @classmethod
    def attention(cls, options):
        if options["scope"] not in SCOPES:
            raise ValueError(f"tada has no scope={options['scope']!r}: choose {', '.join(SCOPES)}")
        if "local" not in options["scope"]:
            return None
        hidden, names = options["region_hidden"], ("dropout", "weight", "shared", "detached", "initial")
        return RegionAttention(hidden, **{name: options[name] for name in names})

    def make(self, probe):
        if "global" in self.scope:
            super().make(probe)
        elif self.weigh is not unweighed:
            raise ValueError("tada with scope=local has no L_domain, so a weigher cannot act: leave it out")
        if "local" in self.scope and "regions" not in probe.extras:
            raise ValueError("TADA needs a network with attention=TADA.attention(options)")

    def align(self, batch, outputs):
        terms = {}
        if "local" in self.scope:
            terms["local"] = self.regions(batch, outputs)
        if "global" not in self.scope:
            return {**terms, "entropy": self.entropy(outputs)}
        seen = self.weigh(self.network, batch, outputs)
        verdicts = {name: self.judge(seen[name]) for name in self.domains}
        terms |= self.compare(batch, seen, verdicts)
        return {**terms, "entropy": self.entropy(outputs, verdicts)}

    def regions(self, batch, outputs) -> tf.Tensor:
        """Return L_local, a scalar."""
        loss = tf.zeros([], ops.real())
        for name in self.domains:
            verdicts = outputs[name].extras["regions"]  # [B, K]
            label = tf.broadcast_to(self.label(batch, name)[:, None], tf.shape(verdicts))
            wrong = tf.reduce_mean(losses.binary_cross_entropy(label, verdicts), -1)  # [B]
            loss += self.scale * ops.mean(wrong * self.importance(batch, name))
        return loss

    def entropy(self, outputs, verdicts=None) -> tf.Tensor:
        """Return the entropy of both domains, attentive where verdicts {stream: [B, 1]} are given."""
        found = {name: losses.entropy(outputs[name].logits, epsilon=0.0) for name in self.domains}
        for name, verdict in (verdicts or {}).items():
            doubt = losses.binary_entropy(verdict[:, 0])
            doubt = tf.stop_gradient(doubt) if self.detached else ops.reverse_gradient(doubt, 1.0)
            found[name] *= 1.0 + doubt
        return ops.mean(tf.concat([*found.values()], 0))
