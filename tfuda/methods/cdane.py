"""CDAN+E: CDAN with entropy conditioning (Long et al., NeurIPS 2018), https://arxiv.org/abs/1705.10667

    confidence  e = 1 + exp(-GRL_c(H(p))),  w = e / sum e per domain, the sum detached
    L           as CDAN

The paper presents the weights as weights; its code differentiates them through a reversal of their own, and so does
this (docs/methods/index.md#entropy-weights). `entropic=False` is CDAN.
"""

from __future__ import annotations

from tfuda.methods.cdan import CDAN


class CDANE(CDAN):
    """Weigh confident samples up to twice as much."""

    entropic = True

    def confidence(self, stream):
        weights = super().confidence(stream)
        return 1.0 + weights if self.entropic else weights
