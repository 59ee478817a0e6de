"""ToAlign: Task-Oriented Alignment for Unsupervised Domain Adaptation (Wei et al., NeurIPS 2021),
https://arxiv.org/abs/2106.10812

    w    = d logit_label / d f                              eq. 3    constant
    s    = |f| / |w * f|                                    eq. 5    live: gradients flow through f
    f_p  = s w * f                                          eq. 4    the features of a source image for the alignment
    logits_p = head(f_p)

ToAlign acts on any alignment method: only the discriminator sees the weighted features and logits of the source.
Classification, regularisers and inference read the ordinary ones.

Paper against code (docs/methods/adversarial.md#toalign):
- "predicted score" is the logit in the code, and so here. HDA's head is a difference of heads: the tape gives the
  gradient of the difference, which the code computes by hand.
- What is detached is not stated; the code detaches w and not s.
- Figure 3 and Table 3 compare other weights, all of them options here:
    scale    0 for the adaptive s, or a fixed one (1, 8, 16, 64, 128 in Table 3)
    squash   "" | "sigmoid" | "softmax" (over the channels):  f_p = s σ(w) * f, the adaptive s of σ(w)
             unless `scale` is given (the paper's "best s" is not printed)
    sign     1, or -1 for TiAlign, which aligns the task-irrelevant -f_p
- The code runs the source through the network a second time for the alignment, with equal activations. Here the pass
  is shared. That gives equal gradients, and one update of the moving batch statistics instead of two.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import ClassVar

import tensorflow as tf

from tfuda.core.ops import safe_norm, sensitivity

SQUASH = {"": tf.identity, "sigmoid": tf.sigmoid, "softmax": tf.nn.softmax}


def logit_of(head, label, features):
    """Return the logit [B] of each sample's own class, for label int [B] and features [B, d]."""
    return tf.gather(head(features), label, batch_dims=1)


@dataclasses.dataclass(frozen=True)
class ToAlign:
    """Show the alignment the part of the source's features that the classification uses.

    The features should not be negative, as pooled ones of a ResNet are not. The logit of s w * f is s sum_j w_j^2 f_j
    for a linear head. Negative features make it large where w is large, whatever the picture shows, so the
    discriminator tells the source by its certainty alone.

    Args:
        streams: names of the labelled streams to weigh.
        scale: 0 for the adaptive s, or a fixed one.
        squash: "", "sigmoid" or "softmax", applied to w.
        sign: 1, or -1 for TiAlign.

    Raises:
        ValueError: if `squash` is unknown.
    """

    stands_on: ClassVar[str] = "dannp"
    wants_nonnegative: ClassVar[bool] = True  # features as a ReLU leaves them
    changes: ClassVar[tuple[str, ...]] = ("features", "logits")

    streams: tuple = ("source",)
    scale: float = 0.0
    squash: str = ""
    sign: float = 1.0

    def __post_init__(self):
        if self.squash not in SQUASH:
            raise ValueError(f"toalign has no squash={self.squash!r}: choose '', 'sigmoid' or 'softmax'")

    def __call__(self, network, batch, outputs):
        """Return {stream: Outputs} with task-oriented features [B, d] and logits [B, K] of labelled `streams`.

        Args:
            network: the network, for its head.
            batch: {stream: {image, label?, ...}}.
            outputs: {stream: Outputs}.

        Raises:
            ValueError: if a stream has no labels.
        """
        seen = dict(outputs)
        for name in self.streams:
            if "label" not in batch.get(name, {}):
                raise ValueError(f"toalign weighs by labels, and stream {name!r} has none")
            f, label = outputs[name].features, batch[name]["label"]
            score = functools.partial(logit_of, network.head, label)
            w = SQUASH[self.squash](sensitivity(score, f))  # [B, d]
            s = self.scale or tf.math.divide_no_nan(safe_norm(f), safe_norm(w * f))  # [B, 1]
            f = self.sign * s * w * f
            seen[name] = outputs[name]._replace(features=f, logits=network.head(f))
        return seen
