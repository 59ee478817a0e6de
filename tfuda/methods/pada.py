"""PADA: Partial Adversarial Domain Adaptation (Cao et al., ECCV 2018), https://arxiv.org/abs/1808.04205

PADA is DANN whose source images are weighted by the estimated share of their class in the target: `dann[pada=True]`.
The weights are in tfuda/core/pada_weights.py; other methods take them by the same option.
"""

from __future__ import annotations

from tfuda.methods.dann import DANN


class PADA(DANN):
    """Train DANN with class weights."""

    pada = True
    epsilon = 0.0
