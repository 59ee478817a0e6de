"""BIWAA: Backprop Induced Feature Weighting for Adversarial Domain Adaptation (Westfechtel et al., WACV 2023),
https://openaccess.thecvf.com/content/WACV2023/html/Westfechtel_Backprop_Induced_Feature_Weighting_for_Adversarial_Domain_Adaptation_With_Iterative_WACV_2023_paper.html

    ∇_i  = d CE(head(f_i), y_i) / d f_i                eqs. 4, 6    y the label, on the target the pseudo-label
    f'_i = λ f_i ∘ ∇_i / |∇_i|                         eq. 7        λ ∇ / |∇| is a constant; |.| over the d features
    L_d  = the adversarial loss on f'                   eq. 8

BIWAA acts on any alignment that reads features (DANN, CDAN, MSTN, AFN); logits, task and L_MS are unchanged. With
a linear head ∇ = (softmax(z) - onehot(y)) W, which the tape gives too; any other head works alike. The whole of the
paper's method, "biwaa", is this on MSTN (methods/mstn.py) with `brings` and aggregated pseudo-labels
(core/pseudo_labels.py); BIWAA-I repeats the training in rounds (studies/rounds.py).

Paper against code (docs/methods/biwaa.md#biwaa):
- A confident and right sample has ∇ = 0; the code divides 0 by 0, here f' = 0.
- Where a sample is so confident (logits 16 apart) that 1 - p is 0 in float32, ∇ has lost its part along the own
  class. So it is in the code, too.
- λ = 10 "approximately preserves the norm" (for gradients of even magnitude λ = sqrt(d) would: 16 for 256 features):
  `factor`. Where Figure 4 says λ = 0 the weighting is off, as in `dann@biwaa`; `factor=0` blanks the features.
- The cross-entropy reads the current logits with the label that the aggregated belief gives, as the code does. The
  paper's text says current arg max; `--config.beliefs.rate=1` is that.
- The code runs three backward passes for the two gradients and the update; here the head alone is differentiated
  once more.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, ClassVar

import tensorflow as tf

from tfuda.core import losses
from tfuda.core.ops import safe_norm, sensitivity


def wrong(head, label, features):
    """Return the cross-entropy [B] of each sample, for label int [B] and features [B, d]."""
    return losses.cross_entropy(label, head(features))


@dataclasses.dataclass(frozen=True)
class BIWAA:
    """Weigh each feature by the gradient of the sample's own cross-entropy.

    Args:
        factor: λ; 0 blanks the features.
    """

    stands_on: ClassVar[str] = "mstn"
    changes: ClassVar[tuple[str, ...]] = ("features", "norms")
    brings: ClassVar[dict[str, Any]] = {  # what BIWAA changes in the method that it stands on
        "trade_offs.domain": 1.0,
        "scale": 0.5,
        "reduction": "class",
        "absent": "keep",
        "between": True,
    }

    factor: float = 10.0

    def __call__(self, network, batch, outputs):
        """Return {stream: Outputs} with weighted features [B, d] of every stream.

        Args:
            network: the network, for its head.
            batch: {stream: {image, label or pseudo, ...}}.
            outputs: {stream: Outputs}.
        """
        seen = dict(outputs)
        for name, stream in outputs.items():
            known = batch[name]
            score = functools.partial(wrong, network.head, known["label"] if "label" in known else known["pseudo"])
            gradient = sensitivity(score, stream.features)  # [B, d]
            weight = self.factor * tf.math.divide_no_nan(gradient, safe_norm(gradient))
            seen[name] = stream._replace(features=stream.features * weight)
        return seen
