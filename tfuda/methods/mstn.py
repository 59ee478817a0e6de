"""MSTN: Learning Semantic Representations for Unsupervised Domain Adaptation (Xie et al., ICML 2018),
https://proceedings.mlr.press/v80/xie18c.html

    C_x       centroids of the classes on side x, [K, d] (centroids.py), by labels and pseudo-labels
    Φ         mean over K and d of (C_s - C_t)²                                 one class of both sides together
    semantic  c Φ,   c = 2 / (1 + exp(-10 step / steps)) - 1                    the reversal's ramp
    L         L_task + 0.1 L_domain (DANN, the sum of both means) + semantic

BIWAA (WACV 2023, eqs. 9, 10) takes the mean over K of the whole squares, Φ = (1/K) Σ_k |C_s^k - C_t^k|², and adds

    Θ_xy      (K-1)^-2 Σ_{k≠j} cos(C_x^k, C_y^j),   xy in {ss, st, tt}          two classes apart
    semantic  c (Φ + Θ_st + Θ_tt)
    apart     Θ_ss
    L         L_task + L_domain (half the sum, on weighted features) + semantic + apart (on unweighted ones)

The centroids' gradient flows through this batch's means alone; a centroid of zeros has cosine 0.

The default is MSTN's released code. `mstn+biwaa` is BIWAA's, whose settings weighers/biwaa.py names. Where the
sources disagree (docs/methods/biwaa.md#mstn-loss), an option selects the other:
- `reduction`: "mean" as above; "sum" for plain sums in Φ and Θ, the papers' eq. 9 and 10; "class" is BIWAA's code.
- `absent`: "decay" moves the centroid of a class that the batch lacks towards 0; "keep" is BIWAA's code.
- `between=True` adds every Θ.
- The trade-off 0.1 and `scale=1`, the sum, are the released code's; the paper names no number.
- c reaches 1 at the end of the run. MSTN's code counts to 10000 steps, BIWAA's to 20000 in a run of 5004, so that its
  c ends at .849: `ramp_steps=20000`. BIWAA's Algorithm 1 ramps L_domain as well: `ramp_loss=True`.
- `ramp_apart=True` ramps Θ_ss too, as BIWAA's Algorithm 1 does with all of L_MS; its code trusts the source's labels.
- MSTN's centroids on digits are of the logits; ours are of the features everywhere.
Labelled target images join the target's centroids. Several sources are one.
"""

from __future__ import annotations

import tensorflow as tf

from tfuda.core import ops
from tfuda.methods.dann import DANN
from tfuda.methods.shared import centroids

REDUCTIONS = ("mean", "class", "sum")


def apart(a: tf.Tensor, b: tf.Tensor, reduction: str = "class") -> tf.Tensor:
    """Return Θ, the cosines of centroids of different classes: a and b [K, d] -> scalar."""
    a, b = tf.math.l2_normalize(a, -1, 1e-24), tf.math.l2_normalize(b, -1, 1e-24)
    cosines = tf.matmul(a, b, transpose_b=True)  # [K, K]
    total = tf.reduce_sum(cosines) - tf.linalg.trace(cosines)
    return total if reduction == "sum" else total / max(a.shape[0] - 1, 1) ** 2


def together(a: tf.Tensor, b: tf.Tensor, reduction: str = "class") -> tf.Tensor:
    """Return Φ, the squared distances of centroids of the same class: a and b [K, d] -> scalar."""
    squares = (a - b) ** 2
    if reduction == "mean":
        return tf.reduce_mean(squares)
    total = tf.reduce_sum(squares)
    return total if reduction == "sum" else total / a.shape[0]


class MSTN(DANN):
    """Train DANN, and pull the centroids of each class together."""

    trade_offs = {
        **DANN.trade_offs,
        "domain": 0.1,  # factor on the adversarial loss
        "semantic": 1.0,  # factor on the distance of each class's centroids, and on Θ_st and Θ_tt
        "apart": 1.0,  # factor on Θ_ss, the cosines of the source's centroids of different classes
    }
    scale = 1.0
    epsilon = 0.0
    keep = 0.7  # share of the old centroid in a step
    absent = "decay"  # centroid of a class that the batch lacks: decay moves it towards 0, keep keeps it
    reduction = "mean"  # of the centroids' distances: mean, class (mean over classes of whole squares) or sum
    between = False  # True: centroids of different classes are pushed apart (Θ)
    ramp_apart = False  # True: the ramp multiplies Θ_ss too

    def make(self, probe):
        super().make(probe)
        if self.reduction not in REDUCTIONS:
            raise ValueError(f"mstn has no reduction={self.reduction!r}: choose {', '.join(REDUCTIONS)}")
        if self.absent not in centroids.ABSENT:
            raise ValueError(f"mstn has no absent={self.absent!r}: choose {' or '.join(centroids.ABSENT)}")
        if not 0 <= self.keep < 1:
            raise ValueError(f"mstn keep={self.keep}: a share of the old centroid from 0 to below 1")
        shape = (2, probe.logits.shape[-1], probe.features.shape[-1])
        self.centroids = self.memory("centroids", shape)

    def moved(self, batch, outputs) -> list[tf.Tensor]:
        """Return both sides' centroids after this batch, two of [K, d]."""
        sides = (("source",), [name for name in ("target", "target_labelled") if name in outputs])
        found = []
        for old, names in zip(tf.unstack(self.centroids.value), sides, strict=True):
            features = tf.concat([outputs[name].features for name in names], 0)  # [B, d]
            labels = tf.concat([batch[name]["label" if "label" in batch[name] else "pseudo"] for name in names], 0)
            found.append(centroids.centroids(old, features, labels, self.keep, self.absent))
        return found

    def align(self, batch, outputs):
        s, t = self.moved(batch, outputs)
        ramp = self.reversal()
        semantic, spread = together(s, t, self.reduction), tf.zeros([], ops.real())
        if self.between:
            semantic += apart(s, t, self.reduction) + apart(t, t, self.reduction)
            spread = apart(s, s, self.reduction) * (ramp if self.ramp_apart else 1.0)
        terms = {"semantic": ops.share(ramp * semantic), "apart": ops.share(spread)}
        return {**super().align(batch, outputs), **terms}

    def remember(self, batch, outputs):
        self.centroids.assign(tf.stack(self.moved(batch, outputs)))
