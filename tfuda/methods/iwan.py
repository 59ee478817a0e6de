"""IWAN: Importance Weighted Adversarial Nets for Partial Domain Adaptation (Zhang et al., CVPR 2018),
https://arxiv.org/abs/1803.09210

    D         a discriminator of features that do not learn from it, source 1, target 0
    w_i       (1 - D(f_i)) / (mean_j (1 - D(f_j)) + 1e-5)      source images that look like the target; a constant
    L_teller  1/2 (mean BCE(D(f_s), 1) + mean BCE(D(f_t), 0))
    L_domain  1/2 (mean w BCE(D0(GRL_c(f_s)), 1) + mean BCE(D0(GRL_c(f_t)), 0))
    L         L_task + 4.5 L_teller + 3 L_domain + 0.1 mean H(p_t)

The trade-offs are a public implementation's (t = 3: 1.5 t, t; and the target's entropy). In the paper a network of
its own, which does not learn, computes the source's features, as in ADDA. Here, as in that implementation, one
network serves both domains.
"""

from __future__ import annotations

import tensorflow as tf

from tfuda.core import losses, ops
from tfuda.methods.dann import DANN
from tfuda.networks import discriminators


class IWAN(DANN):
    """Weigh source images for the second discriminator by the verdicts of a first one."""

    trade_offs = {
        **DANN.trade_offs,
        "domain": 3.0,  # factor on the adversarial loss
        "teller": 4.5,  # factor on the loss of the first discriminator, whose verdicts are the weights
        "entropy": 0.1,  # factor on the entropy of predictions on the target
    }
    epsilon = 0.0

    def make(self, probe):
        if self.width != 1:
            raise ValueError(f"iwan has two domains: leave out width={self.width}")
        super().make(probe)
        self.teller = discriminators.mlp(self.hidden, 1, self.dropout, initial=self.initial, name="teller")
        self.teller(self.view(probe))

    def align(self, batch, outputs):
        seen = self.weigh(self.network, batch, outputs)
        told = {n: self.teller(tf.stop_gradient(self.view(seen[n])), training=True) for n in self.domains}
        wrong = [self.wrong(self.label(batch, n), v) * self.importance(batch, n) for n, v in told.items()]
        chance = tf.stop_gradient(tf.sigmoid(-told["source"][:, 0]))  # 1 - D, [B]
        own = chance / (ops.everywhere(ops.mean(chance)) + 1e-5)
        verdicts = {name: self.judge(seen[name]) for name in self.domains}
        terms = self.compare({**batch, "source": {**batch["source"], "importance": own}}, seen, verdicts)
        return {**terms, "teller": self.scale * tf.add_n([ops.mean(each) for each in wrong])}

    def importance(self, batch, name):
        return super().importance(batch, name) * batch[name].get("importance", 1.0)

    def regularise(self, batch, outputs):
        if "target" not in outputs:
            return {}
        return {"entropy": ops.mean(losses.entropy(outputs["target"].logits))}
