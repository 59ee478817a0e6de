"""Diagnose a training without target labels: numbers for every segment, and a sentence for each known failure.

Columns of metrics.csv about the steps of a segment:

    gradient_backbone, gradient_head, gradient_discriminator
                     norm of the gradient (root of the mean square) of the backbone, of the rest of the network,
                     and of all else (discriminators); where a step has several turns, the last turn's norm
    reversal         mean coefficient of the gradient reversal
    discriminator    accuracy of the domain discriminator, for methods that have one (methods/dann.py)

and at the segment's end, about the source's test images and the target's unlabelled images:

    a_distance       2 (1 - 2 error) of a linear classifier between the domains, 0 to 2 (Ben-David et al., NIPS 2006)
    pseudo_rate      share of target images whose largest probability is 0.9 or more
    largest_class    share of target images that are predicted as the most frequent class
    source_norm, target_norm    mean norm of the features
    dead             share of features that are constant over all target images

Over several replicas a gradient's norm is an estimate: the computation takes the replicas' gradients for equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfuda.core import step_signs
from tfuda.evaluation import importance, posteriors

VITALS = ("a_distance", "pseudo_rate", "largest_class", "source_norm", "target_norm", "dead")
COLUMNS = (*step_signs.SIGNS, *VITALS)
SURE = 0.9
LOOKED_AT = 500  # images of a domain that train and test the linear classifier between the domains

# ---- at the end of a segment


def vitals(source, target) -> dict[str, float]:
    """Return the VITALS of a network's outputs on two domains (tfuda.evaluation.evaluate.Seen each)."""
    p = posteriors.softmax(target.logits)
    taken = np.bincount(p.argmax(1), minlength=p.shape[1])
    return {
        "a_distance": a_distance(source.features, target.features),
        "pseudo_rate": float((p.max(1) >= SURE).mean()),
        "largest_class": float(taken.max() / len(p)),
        "source_norm": float(np.linalg.norm(source.features, axis=1).mean()),
        "target_norm": float(np.linalg.norm(target.features, axis=1).mean()),
        "dead": float((np.ptp(target.features, 0) == 0).mean()),
    }


def a_distance(source: np.ndarray, target: np.ndarray) -> float:
    """Return the A-distance of features [N, d] and [M, d].

    One half of both trains a ridge regression to ±1, and the other half tests that regression.
    """
    from sklearn.linear_model import Ridge

    x, y = _evenly(source), _evenly(target)
    if min(len(x), len(y)) < 4:
        return 0.0
    f = np.concatenate([x, y]).astype(np.float64)
    if not np.isfinite(f).all():
        return float("nan")
    d = np.concatenate([np.full(len(x), 1 / len(x)), np.full(len(y), -1 / len(y))])  # both domains have equal weight
    learn = np.arange(len(f)) % 2 == 0
    f = (f - f[learn].mean(0)) / np.maximum(f[learn].std(0), 1e-12)
    f = np.concatenate([f, np.ones([len(f), 1])], 1)  # the bias
    ridge = 1e-2 * np.square(f[learn]).sum(1).mean()
    fit = Ridge(ridge, fit_intercept=False, solver="cholesky").fit(f[learn], np.sign(d[learn]))
    wrong = np.sign(fit.predict(f[~learn])) != np.sign(d[~learn])
    error = (np.abs(d[~learn]) * wrong).sum() / np.abs(d[~learn]).sum()
    return float(2 * max(0.0, 1 - 2 * error))


def _evenly(features: np.ndarray) -> np.ndarray:
    return importance.evenly(features, LOOKED_AT)


# ---- in words

PATIENCE = 3  # consecutive segments in which a failure has to show

SENTENCES = {
    "won": (
        "the discriminator is right in {discriminator:.0%} of the cases: it has won, and the domains' features do "
        "not move together; lower its width, or raise the trade-off of the adversarial loss"
    ),
    "collapsed": (
        "the discriminator is right in {discriminator:.0%} of the cases, like a coin, while a linear classifier "
        "tells the domains apart (A-distance {a_distance:.1f} of 2): it has collapsed, and aligns nothing"
    ),
    "swallowed": (
        "one class takes {largest_class:.0%} of the target's images: predictions are collapsing; look at the balance "
        "of the target, or lower the trade-offs of alignment and entropy"
    ),
    "dead": (
        "{dead:.0%} of the features are the same for every target image: the network is dying; lower the "
        "learning rate"
    ),
}


def shows(row: dict[str, float], classes: int) -> set[str]:
    """Return the failures that a row of metrics.csv shows."""
    found = set()
    if "discriminator" in row and row["reversal"] >= 0.5:
        if row["discriminator"] >= 0.97:
            found.add("won")
        if 0 < row["discriminator"] <= 0.52 and row["a_distance"] >= 1.0:
            found.add("collapsed")
    if row["largest_class"] > (0.5 if classes > 3 else 0.95):
        found.add("swallowed")
    if row["dead"] >= 0.5:
        found.add("dead")
    return found


def complaints(rows: Sequence[dict[str, float]], classes: int, steps: int) -> dict[str, str]:
    """Return {failure: sentence} for a run's rows.

    A failure is reported once, when PATIENCE consecutive segments show that failure after a quarter of the steps.
    """
    said: dict[str, str] = {}
    late = [row for row in rows if row["step"] >= steps / 4 and "dead" in row]
    for i in range(PATIENCE - 1, len(late)):
        last = late[i + 1 - PATIENCE : i + 1]
        for name in set.intersection(*(shows(row, classes) for row in last)):
            said.setdefault(name, f"step {int(late[i]['step'])}: {SENTENCES[name].format(**late[i])}")
    return said


def negative_features(method, streams) -> str:
    """Return a warning if a weigher that expects features that are not negative meets negative ones, or "".

    Args:
        method: the method before training.
        streams: its batches, of which the first is looked at.
    """
    if not getattr(method.weigh, "wants_nonnegative", False):
        return ""
    features = method.network(
        streams.load(0, method.followed())["source"]["image"], training=False
    ).features  # [B, d]
    if float(np.min(features)) >= 0:
        return ""
    return (
        f"{type(method.weigh).__name__} weighs features by their gradient and expects none below 0, as a ReLU leaves "
        "them, but this network's can be negative: it may collapse; take --config.network.neck=norm with a bottleneck"
    )
