"""PADA: Partial Adversarial Domain Adaptation (Cao et al., ECCV 2018), https://arxiv.org/abs/1808.04205

DANN whose source images count by how much of their class the target seems to have: `dann[pada=True]`, by its name.
The weights, and where they count, are in tfuda/core/pada_weights.py; other methods take them by the same option.
"""

from __future__ import annotations

from tfuda.methods.dann import DANN


class PADA(DANN):
    """DANN with class weights."""

    pada = True
    epsilon = 0.0
