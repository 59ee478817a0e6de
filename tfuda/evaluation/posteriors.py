"""Compute posteriors of logits, and their entropies."""

from __future__ import annotations

import numpy as np
from scipy import special


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of logits [N, K] in float64 [N, K]."""
    return special.softmax(logits.astype(np.float64), axis=1)


def entropies(p: np.ndarray) -> np.ndarray:
    """Return the entropy, in nats, of distributions: [..., K] -> [...]."""
    return special.entr(p).sum(-1)
