"""Choose the k target pictures whose labels would help most: where candidates disagree, unsure, and of many kinds.

    q              mean over candidates of p
    uncertainty    H(q) / log K,  0..1
    disagreement   (H(q) - mean over candidates of H(p)) / log min(M, K),  0..1; 1 for one candidate
    usefulness     s = uncertainty disagreement
    first          the largest s
    next           the largest s d^2,  d the distance of features f / |f| to the nearest picture chosen so far

The disagreement is the Jensen-Shannon divergence of the candidates, as in query by committee (McCallum and Nigam,
ICML 1998) and BALD (Houlsby et al. 2011, https://arxiv.org/abs/1112.5745). The greedy rule is k-means++ on weighted
points with the largest term in place of a draw. BADGE (Ash et al., ICLR 2020, https://arxiv.org/abs/1906.03671) draws
by k-means++ on gradients, whose norm is the uncertainty. So the choice is deterministic: of equals, the first.
"""

from __future__ import annotations

import numpy as np

from tfuda.evaluation.posteriors import entropies


def usefulness(posteriors: np.ndarray) -> np.ndarray:
    """Return uncertainty times disagreement of each target picture, in 0..1: [N].

    Args:
        posteriors: p of M candidates, float [M, N, K] with rows of sum 1; a candidate that is not finite is left out.
    """
    p = np.asarray(posteriors, np.float64)
    p = p[np.isfinite(p).all((1, 2))]
    if not len(p):
        raise ValueError("posteriors of no candidate are finite: there is nothing to choose pictures by")
    candidates, _, classes = p.shape
    whole = entropies(p.mean(0))  # [N]
    uncertainty = whole / np.log(max(classes, 2))
    if candidates == 1:
        return uncertainty
    apart = np.maximum(whole - entropies(p).mean(0), 0)  # rounding may leave a little less than 0
    return uncertainty * apart / np.log(max(min(candidates, classes), 2))


def choose_pictures(posteriors: np.ndarray, features: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the pictures to label, the most useful first: int [min(count, N)], all different.

    Where every s d^2 is 0, the largest s decides.

    Args:
        posteriors: p of M candidates, float [M, N, K] with rows of sum 1.
        features: features of the same target pictures by one network, float [N, d].
        count: k.
    """
    score = usefulness(posteriors)
    if len(features) != len(score):
        raise ValueError(
            f"features of {len(features)} pictures, but posteriors of {len(score)}: give both of the same"
        )
    f = features.astype(np.float64)
    f = f / np.maximum(np.linalg.norm(f, axis=1, keepdims=True), 1e-30)
    free, squared = np.ones(len(f), bool), np.full(len(f), np.inf)
    chosen: list[int] = []
    while len(chosen) < min(count, len(f)):
        gain = score * squared if chosen else score
        if not (gain[free] > 0).any():
            gain = score
        chosen.append(int(np.where(free, gain, -np.inf).argmax()))
        free[chosen[-1]] = False
        squared = np.minimum(squared, ((f - f[chosen[-1]]) ** 2).sum(1))
    return np.array(chosen, int)
