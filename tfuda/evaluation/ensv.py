"""Compare candidates on one target by their agreement with the ensemble of all of them (EnsV).

EnsV (Hu, Luo, Liang and Foo, NeurIPS 2024 Datasets and Benchmarks, https://openreview.net/forum?id=rI7kbFTSpr):

    q = mean over candidates of p,    score of a candidate = mean over target images of 1[argmax p = argmax q]

Higher is better. The ensemble is never worse than the candidates are on average, in log-likelihood. EnsV needs the
posteriors of all candidates for the same images, so it chooses among runs, and not among the checkpoints of one.
EnsV fails where most candidates share an error, and where all but a few are bad: a good one then differs from all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def ensv(posteriors: Sequence[np.ndarray]) -> list[float]:
    """Return the agreement of each candidate with the ensemble, in 0..1; higher is better.

    A candidate whose posteriors are not finite gets NaN, and is no part of the ensemble.

    Args:
        posteriors: p of M candidates for the same target images, each [N, K] with rows of sum 1.
    """
    sound = [np.isfinite(p).all() for p in posteriors]
    if not any(sound):
        return [math.nan] * len(posteriors)
    mean = np.mean([p.astype(np.float64) for p, finite in zip(posteriors, sound, strict=True) if finite], 0)  # [N, K]
    chosen = mean.argmax(1)
    return [
        float((p.argmax(1) == chosen).mean()) if finite else math.nan
        for p, finite in zip(posteriors, sound, strict=True)
    ]
