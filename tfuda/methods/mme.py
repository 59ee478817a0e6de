"""MME: Semi-supervised Domain Adaptation via Minimax Entropy (Saito et al., ICCV 2019), https://arxiv.org/abs/1904.06487

    logits    W n / T,   n = h / |h|,  h = a linear layer of f (or f itself)     cosines to prototypes W; T = 0.05
    task      CE over source and labelled target
    minimax   -H(p) of the unlabelled target, p = softmax(W n(GRL(h)) / T)
    L         L_task + 0.1 minimax: the head raises the entropy, all before it lowers it

Each step is two: one on the labelled images, then one on the unlabelled by the weights that the first left
(tfuda/methods/shared/alternating_updates.py). `alternating=False` is one step on the sum of both, as
many implementations have it. H has 1e-5 inside its logarithm, as the authors' code.

The linear layer before the cosines has `hidden` units; the reversal sits behind it, so it moves with the backbone.
Learning stops at the end of the run, where the code watches three labelled target images of each class. Without
--config.shots it is the unsupervised variant of the paper's appendix.
"""

from __future__ import annotations

from tfuda.core import losses, ops
from tfuda.methods.ent import ENT


class MME(ENT):
    """Move prototypes to the target, and features to the prototypes."""

    trade_offs = {
        "task": 1.0,  # factor on the cross-entropy of the labelled images
        "minimax": 0.1,  # factor on the entropy that the head raises and the backbone lowers
    }

    def align(self, batch, outputs):
        logits = self.network.head.against(outputs["target"].features)
        return {"minimax": -ops.mean(losses.entropy(logits))}

    def regularise(self, batch, outputs):
        return {}
