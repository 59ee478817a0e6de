"""MCD: Maximum Classifier Discrepancy for Unsupervised Domain Adaptation (Saito et al., CVPR 2018),
https://arxiv.org/abs/1712.02560

G the backbone, F1 and F2 two heads on its features, p1 and p2 their softmax:

    task         CE(F1(f), y) + CE(F2(f), y)                     on labelled images
    balance      Σ over F of -mean_k log(mean_i p_ik + 1e-6)     on the target: every class is to be there
    discrepancy  mean_ik |p1_ik - p2_ik|                         on the target

    step A       G, F1, F2 minimise  task + 0.01 balance
    step B       F1, F2    minimise  task + 0.01 balance - trade_off discrepancy
    step C       G         minimises trade_off discrepancy, `turns` times

Each is an update with new looks at the batch, so a step passes its streams 2 + turns times
(tfuda/methods/shared/alternating_updates.py).

Readings, and the option that selects the other:
- The trade-off is the public implementation's: 10 for Office-31, 30 for Office-Home. So is `balance`, which the paper
  has for VisDA. That implementation runs G without momentum.
- The answer is F1's. The authors' code reports the better of F1, F2 and their sum, by the target's labels.
- F is `depth` times (linear of `hidden`, batch norm, ReLU), between dropout, then a linear layer; 0 for that alone.
- The public implementation joins both domains in one pass, as its recipe does (`passes=joint`); where each has its
  own, batch norm keeps their statistics apart.
Labelled target images join the task. A weigher has no alignment to act on.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from tfuda.core import ops
from tfuda.core.method import Method
from tfuda.methods.shared.alternating_updates import Turn, turns
from tfuda.networks.discriminators import initializer
from tfuda.networks.heads import block
from tfuda.networks.layers import Dropout, chain


def classifier(classes: int, hidden: int, depth: int, dropout: float, initial: str, name: str) -> keras.Sequential:
    """Return a classifier F: [B, d] -> logits [B, K]."""
    layers: list[keras.layers.Layer] = []
    for i in range(depth):
        layers.append(Dropout(dropout, dtype=ops.real(), name=f"dropout_{i}"))
        layers += block(hidden, norm=True, dropout=0.0, initial=initial, name=f"hidden_{i}")
    last = keras.layers.Dense(classes, kernel_initializer=initializer(initial), dtype=ops.real(), name="logits")
    return chain([*layers, last], name)


def absence(logits: tf.Tensor) -> tf.Tensor:
    """Return -mean_k log(mean_i p_ik + 1e-6) over the global batch, from this replica's logits [B, K]: a scalar."""
    p = tf.nn.softmax(logits)
    mean = ops.everywhere(tf.reduce_sum(p, 0)) / ops.everywhere(tf.cast(tf.shape(p)[0], p.dtype))
    return -tf.reduce_mean(tf.math.log(mean + 1e-6))


class MCD(Method):
    """Train two heads to disagree on target images far from the source, and the backbone to reduce that."""

    trade_offs = {
        "task": 1.0,  # factor on the cross-entropy of both heads on the labelled images
        "balance": 0.01,  # factor on the loss that wants every class among the predictions
        "discrepancy": 10.0,  # factor on the difference of both heads' predictions on the target
    }
    hidden = 1024  # units of the heads' hidden layers
    depth = 2  # hidden layers of each head
    dropout = 0.5  # of the heads
    initial = "kaiming"  # initial weights of the heads: kaiming or xavier
    turns_of_backbone = 4  # updates of the backbone in a step

    _combine = staticmethod(turns)

    @classmethod
    def head(cls, classes, options=None):
        options = options or cls.options()
        shape = {name: options[name] for name in ("hidden", "depth", "dropout", "initial")}
        return classifier(classes, **shape, name="head")

    def make(self, probe):
        classes = probe.logits.shape[-1]
        self.second = classifier(classes, self.hidden, self.depth, self.dropout, self.initial, "second")
        self.second(probe.features)

    def extended(self, outputs):
        """Add F2's logits to the extras."""
        return outputs._replace(extras={**outputs.extras, "second": self.second(outputs.features, training=True)})

    def plan(self):
        """Return the turns of a step: steps A, B and C of the paper."""
        heads = {id(v) for part in (self.network.head, self.second) for v in part.trainable_variables}
        whole = {"task": 1.0, "beside": 1.0}
        back = Turn({"align": 1.0}, lambda variable: id(variable) not in heads)
        return [
            Turn(whole),
            Turn({**whole, "align": -1.0}, lambda variable: id(variable) in heads),
            *[back] * self.turns_of_backbone,
        ]

    def task(self, batch, outputs):
        other = {name: out._replace(logits=out.extras["second"]) for name, out in outputs.items()}
        return {"task": super().task(batch, outputs)["task"] + super().task(batch, other)["task"]}

    def align(self, batch, outputs):
        first, second = outputs["target"].logits, outputs["target"].extras["second"]
        apart = tf.abs(tf.nn.softmax(first) - tf.nn.softmax(second))  # [B, K]
        return {"discrepancy": ops.mean(tf.reduce_mean(apart, -1))}

    def regularise(self, batch, outputs):
        if "target" not in outputs:
            return {}
        both = outputs["target"].logits, outputs["target"].extras["second"]
        return {"balance": ops.share(tf.add_n([absence(logits) for logits in both]))}
