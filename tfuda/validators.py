"""Choosing without target labels: pure functions of what the network says of unlabelled target images."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """[N, K] -> [N, K] in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def infomax(logits: np.ndarray) -> float:
    """Information maximisation (Krause et al., NeurIPS 2010): H(mean p) - mean H(p), in nats; higher is better.

    High where every prediction is sure and all classes are used. It fails where the target's classes are far from
    balanced (partial adaptation), and it cannot tell sure and right from sure and wrong. logits [N, K].
    """
    p = softmax(logits)

    def entropy(q):
        return -(q * np.log(np.maximum(q, 1e-30))).sum(-1)

    return float(entropy(p.mean(0)) - entropy(p).mean())
