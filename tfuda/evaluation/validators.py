"""Select a checkpoint without target labels: each validator estimates how accurate a network is on the target.

Each validator is a pure function of the network's outputs in evaluation mode. Inputs are the held-out source with
labels and the unlabelled target. ALL states which direction is better; CHEAP lists those in every metrics.csv.

    entropy          lower    mean H(p)
    im               higher   H(mean p) - mean H(p)
    snd              higher   mean H(softmax_{j != i} <q_i, q_j> / 0.05),  q = p / |p|
    bnm              higher   |P|_* / sqrt(N min(N, K))
    corrc            higher   cosine of P'P and the identity
    source_accuracy  higher   on the held-out source
    agreement        higher   share of target images with the same class as at the previous evaluation
    iwcv             lower    mean w l on the held-out source,  w = p(target | f) / p(source | f) N_source / N_target
    dev              lower    mean w l + eta (mean w - 1),  eta = -cov(w l, w) / var w
    transfer_score   higher   hopkins + im / log K - uniformity, of features and class weights: geometry.py
    mixval           higher   share of mixed target images that get the class of the larger part: mixval.py

Oracle needs target labels and stands apart: its number is reported, and never selects a checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tfuda.evaluation.geometry import hopkins, uniformity
from tfuda.evaluation.importance import dev, errors, evenly, iwcv
from tfuda.evaluation.mixval import mixval
from tfuda.evaluation.posteriors import entropies, softmax
from tfuda.names import resolve

# ---- from the target alone


def entropy(logits: np.ndarray) -> float:
    """Return the mean entropy of the predictions in nats (Morerio et al., ICLR 2018); lower is better.

    The validator fails where the network is confident and wrong. The worst case is one predicted class for all
    target images, whose entropy is 0.

    Args:
        logits: float [N, K].
    """
    return float(entropies(softmax(logits)).mean())


def im(logits: np.ndarray) -> float:
    """Return the information maximisation H(mean p) - mean H(p) (Krause et al., NeurIPS 2010); higher is better.

    The value, in nats, is high if every prediction is confident and all classes are used. The validator fails where
    target classes are unbalanced (partial adaptation). It cannot tell confident and right from confident and wrong.

    Args:
        logits: float [N, K].
    """
    p = softmax(logits)
    return float(entropies(p.mean(0)) - entropies(p).mean())


def snd(logits: np.ndarray, temperature: float = 0.05) -> float:
    """Return the soft neighbourhood density in nats, at most log(N - 1) (Saito et al., ICCV 2021); higher is better.

    Neighbourhoods are dense if a network finds many images equally similar. The validator fails if all images get one
    class, which is the densest case. Compare values over the same images only; at most MOST of them are used.

    Args:
        logits: float [N, K].
        temperature: divides the cosine similarities.
    """
    q = evenly(softmax(logits))
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    near = q @ q.T / temperature
    np.fill_diagonal(near, -np.inf)
    return float(entropies(softmax(near)).mean()) if len(q) > 1 else 0.0


def bnm(logits: np.ndarray) -> float:
    """Return the nuclear norm of the predictions as a share of its maximum (Cui et al., CVPR 2020); higher is better.

    The norm rewards confidence and diversity, as `im` does, and assumes balance less strongly. The validator fails
    where the network is confident and wrong, and for methods that train on the norm (`+bnm`, `+mcc`).

    Args:
        logits: float [N, K].
    """
    p = softmax(logits)
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(p.T @ p), 0.0))  # [K, K], for targets of many images
    return float(singular.sum() / math.sqrt(len(p) * min(p.shape)))


def corrc(logits: np.ndarray) -> float:
    """Return the cosine of P'P with the identity, in (0, 1] (SoftmaxCorr, Tu et al. 2023); higher is better.

    The value is 1 if predictions are confident and balanced over classes. The validator fails as `im` does, and more
    where the target's classes are unbalanced.

    Args:
        logits: float [N, K].
    """
    p = softmax(logits)
    both = p.T @ p  # [K, K]
    return float(np.trace(both) / (np.linalg.norm(both) * math.sqrt(p.shape[1])))


def agreement(classes: np.ndarray, before: np.ndarray | None) -> float:
    """Return the share of target images whose predicted class equals the one before; higher is better.

    The value says that training has converged, not that the result is good. The validator fails at the end of every
    schedule with a falling learning rate, and where all images get one class.

    Args:
        classes: predicted classes, int [N].
        before: classes of the previous evaluation or round, int [N]; None gives 0.
    """
    return 0.0 if before is None else float((classes == before).mean())


def transfer_score(features: np.ndarray, logits: np.ndarray, classifier: np.ndarray) -> float:
    """Return the Transfer Score, hopkins + im / log K - uniformity (Yang et al., ICLR 2024); higher is better.

    The score (https://openreview.net/forum?id=fszrlQ2DuP) rewards features in clusters, predictions that are sure and
    diverse, and class weights in all directions. It fails where target clusters get a wrong class each, and as `im`
    where classes are unbalanced. It is made for linear classifiers. The authors' code averages `im` over batches.

    Args:
        features: of target images, float [M, d].
        logits: of the same images, float [M, K].
        classifier: class weights, float [K, d], from `geometry.linear_map`.
    """
    return hopkins(evenly(features)) + im(logits) / math.log(logits.shape[1]) - uniformity(classifier)


# ---- from the held-out source, too


def source_accuracy(labels: np.ndarray, logits: np.ndarray) -> float:
    """Return the accuracy on held-out source images; higher is better. labels: int [N], logits: float [N, K].

    The validator reads nothing of the target. It separates a trained network from an untrained one, and little more.
    """
    return float((logits.argmax(1) == labels).mean())


# ---- by name


class Evidence(NamedTuple):
    """Hold the outputs and labels that a validator may read."""

    source_logits: np.ndarray  # held-out source images, [V, K]
    source_labels: np.ndarray  # int [V]
    target_logits: np.ndarray  # unlabelled target images, [M, K]
    weights: np.ndarray | None = None  # `ratio` of the held-out source images, for iwcv and dev: [V]
    before: np.ndarray | None = None  # classes predicted at the previous evaluation, int [M]
    target_features: np.ndarray | None = None  # for transfer_score: [M, d]
    classifier: np.ndarray | None = None  # class weights, for transfer_score: [K, d]
    mixed_logits: np.ndarray | None = None  # of mixed target images, for mixval: [P, K]


class Validator(NamedTuple):
    """Hold a validator's function `of` and its `sign`: 1 if higher is better, -1 if lower is better."""

    of: Callable[[Evidence], float]
    sign: int

    def key(self, value: float) -> float:
        """Return a sort key for `max`; NaN ranks below every other value."""
        return -math.inf if math.isnan(value) else self.sign * value


def _lacking(seen: Evidence, *fields: str) -> None:
    """Raise ValueError if the evidence lacks a field."""
    if gone := [field for field in fields if getattr(seen, field) is None]:
        raise ValueError(f"this validator needs {gone[0]}: see Evidence")


def _weighed(risk: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[Evidence], float]:
    def of(seen: Evidence) -> float:
        _lacking(seen, "weights")
        return risk(seen.weights, errors(seen.source_labels, seen.source_logits))  # type: ignore[arg-type]

    return of


def _transferred(seen: Evidence) -> float:
    _lacking(seen, "target_features", "classifier")
    return transfer_score(seen.target_features, seen.target_logits, seen.classifier)  # type: ignore[arg-type]


def _mixed(seen: Evidence) -> float:
    _lacking(seen, "mixed_logits")
    return mixval(evenly(seen.target_logits), seen.mixed_logits)  # type: ignore[arg-type]


CHEAP = {
    "entropy": Validator(lambda seen: entropy(seen.target_logits), -1),
    "im": Validator(lambda seen: im(seen.target_logits), 1),
    "snd": Validator(lambda seen: snd(seen.target_logits), 1),
    "bnm": Validator(lambda seen: bnm(seen.target_logits), 1),
    "corrc": Validator(lambda seen: corrc(seen.target_logits), 1),
    "source_accuracy": Validator(lambda seen: source_accuracy(seen.source_labels, seen.source_logits), 1),
    "agreement": Validator(lambda seen: agreement(seen.target_logits.argmax(1), seen.before), 1),
}
DEAR = {  # the first two need one more pass and a classifier, the third the features' neighbours, the last two passes
    "iwcv": Validator(_weighed(iwcv), -1),
    "dev": Validator(_weighed(dev), -1),
    "transfer_score": Validator(_transferred, 1),
    "mixval": Validator(_mixed, 1),
}
ALL = {**CHEAP, **DEAR}
LAST = "last"  # no validator: the last checkpoint
SELECTS = (LAST, *ALL)
GROUPS = {"cheap": CHEAP, "all": ALL}


class Oracle:
    """Select the best row by target labels, an upper bound for the validators. No setting reaches this class."""

    @staticmethod
    def chosen(rows: Sequence[dict[str, float]], metric: str = "accuracy") -> dict[str, float]:
        """Return the row of metrics.csv with the highest target accuracy. metric: "accuracy" or "mean_class"."""
        return max(rows, key=lambda row: row[f"target_{metric}"])


def named(name: str) -> Validator:
    """Return a validator of ALL, or of the user: package.module:name, a function of Evidence; higher is better."""
    return ALL[name] if ":" not in name else Validator(lambda seen: float(resolve(name, "evaluation")(seen)), 1)


def wanted(select: str, which: str) -> list[str]:
    """List the validators that config.select (`select`) and config.validators (`which`) ask for.

    which: words joined by commas, each "cheap", "all" or the name of a validator.
    """
    names = [name for word in which.split(",") for name in GROUPS.get(word, (word,))]
    return [*dict.fromkeys([*names, *([] if select == LAST else [select])])]


def column(name: str) -> str:
    """Return a validator's column in metrics.csv, such as "val_entropy"; "entropy" alone is the column of a loss."""
    return f"val_{name}"


def logged(row: Iterable[str]) -> list[str]:
    """Return the names of the validators that have a column in a row of metrics.csv."""
    return [key.removeprefix("val_") for key in row if key.startswith("val_")]


def values(names: Iterable[str], seen: Evidence) -> dict[str, float]:
    """Return {column: value}; every value is NaN, which is never selected, if an output is NaN or not finite."""
    sound = all(np.isfinite(part).all() for part in seen if part is not None)
    return {column(name): named(name).of(seen) if sound else math.nan for name in names}


def chosen(rows: Sequence[dict[str, float]], name: str) -> dict[str, float]:
    """Return the row of metrics.csv that a validator selects, the earliest among equals; "last" gives the last."""
    return rows[-1] if name == LAST else max(rows, key=lambda row: named(name).key(row[column(name)]))
