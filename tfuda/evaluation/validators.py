"""Choosing without target labels: numbers that stand for the accuracy on a target that nobody has labelled.

Each is a pure function of what a network says of the held-out source (with its labels) and of the unlabelled target,
in evaluation mode; ALL says which way each is better, and CHEAP which every run writes into metrics.csv.

    entropy          lower    mean H(p)
    im               higher   H(mean p) - mean H(p)
    snd              higher   mean H(softmax_{j != i} <q_i, q_j> / 0.05),  q = p / |p|
    bnm              higher   |P|_* / sqrt(N min(N, K))
    corrc            higher   cosine of P'P and the identity
    source_accuracy  higher   on the held-out source
    agreement        higher   share of target images whose class is that of the evaluation before
    iwcv             lower    mean w l on the held-out source,  w = p(target | f) / p(source | f) N_source / N_target
    dev              lower    mean w l + eta (mean w - 1),  eta = -cov(w l, w) / var w

What nobody has without labels of the target is Oracle, which stands apart: it is reported, and never chosen by.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

MOST = 2000  # images that the similarities of all pairs and the classifier between domains are of, evenly spread
DECAYS = (1e-3, 1e-2, 1e-1, 1.0)  # of the classifier between domains, per image


def softmax(logits: np.ndarray) -> np.ndarray:
    """[N, K] -> [N, K] in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def evenly(rows, most: int = MOST):
    """At most so many rows of an array [N, ...] or of Files, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)]


def _entropies(p: np.ndarray) -> np.ndarray:
    """[..., K] -> [...] in nats."""
    return -(p * np.log(np.maximum(p, 1e-30))).sum(-1)


# ---- of the target alone


def entropy(logits: np.ndarray) -> float:
    """Mean entropy of the predictions (Morerio et al., ICLR 2018), in nats; lower is better. logits [N, K].

    Fails where the network is sure and wrong, above all where one class has swallowed the target: entropy 0.
    """
    return float(_entropies(softmax(logits)).mean())


def im(logits: np.ndarray) -> float:
    """Information maximisation (Krause et al., NeurIPS 2010): H(mean p) - mean H(p), in nats; higher is better.

    High where every prediction is sure and all classes are used. It fails where the target's classes are far from
    balanced (partial adaptation), and it cannot tell sure and right from sure and wrong. logits [N, K].
    """
    p = softmax(logits)
    return float(_entropies(p.mean(0)) - _entropies(p).mean())


def snd(logits: np.ndarray, temperature: float = 0.05) -> float:
    """Soft neighbourhood density (Saito et al., ICCV 2021), in nats up to log(N - 1); higher is better.

    Many images that a network finds equally near to each other make dense neighbourhoods. It fails where one class
    swallows the target, which is the densest of all, and compares only over the same images. Of more than 2000 images
    it is that of 2000, which stand evenly apart. logits [N, K].
    """
    q = evenly(softmax(logits))
    q /= np.linalg.norm(q, axis=1, keepdims=True)
    near = q @ q.T / temperature
    np.fill_diagonal(near, -np.inf)
    return float(_entropies(softmax(near)).mean()) if len(q) > 1 else 0.0


def bnm(logits: np.ndarray) -> float:
    """Nuclear norm of the predictions (Cui et al., CVPR 2020), as a share of the largest; higher is better.

    Sure and diverse at once, as im is, without an assumption of balance as strong; it fails with im where the network
    is sure and wrong, and for methods that train on it (`+bnm`, `+mcc`). logits [N, K].
    """
    p = softmax(logits)
    singular = np.sqrt(np.maximum(np.linalg.eigvalsh(p.T @ p), 0.0))  # [K, K], for targets of many images
    return float(singular.sum() / math.sqrt(len(p) * min(p.shape)))


def corrc(logits: np.ndarray) -> float:
    """Class correlation (Tu et al. 2023, SoftmaxCorr): cosine of P'P with the identity, in (0, 1]; higher is better.

    1 where predictions are sure and as many of each class. It fails as im does, and more where the target's classes
    are unbalanced. logits [N, K].
    """
    p = softmax(logits)
    both = p.T @ p  # [K, K]
    return float(np.trace(both) / (np.linalg.norm(both) * math.sqrt(p.shape[1])))


def agreement(classes: np.ndarray, before: np.ndarray | None) -> float:
    """Share of target images whose predicted class (int [N]) is that of the evaluation or round before.

    Higher is better; 0 where there is none before. It says that training has come to rest, not where: it fails at the
    end of every schedule that lets the rate fall, and where one class has swallowed the target.
    """
    return 0.0 if before is None else float((classes == before).mean())


# ---- of the held-out source, too


def source_accuracy(labels: np.ndarray, logits: np.ndarray) -> float:
    """Share of held-out source images that are right: labels int [N], logits [N, K]; higher is better.

    Sees nothing of the target: it tells a network that has learnt from one that has not, and little more.
    """
    return float((logits.argmax(1) == labels).mean())


def errors(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """0 where an image is right and 1 where it is wrong, as DEV's code has it: [N]."""
    return (logits.argmax(1) != labels).astype(np.float64)


def ratio(train: np.ndarray, target: np.ndarray, held_out: np.ndarray) -> np.ndarray:
    """How much more often a feature occurs in the target than in the source, for held-out source images: [V].

    train [N, d], target [M, d], held_out [V, d]. A ridge logistic regression tells training images of the source from
    the target's; of its decays that one counts which does best on every fifth image, left out. (DEV's code has a
    perceptron with a hidden layer in the place of the linear classifier.)
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    train, target = evenly(train).astype(np.float64), evenly(target).astype(np.float64)
    if not (np.isfinite(train).all() and np.isfinite(target).all()):
        return np.full(len(held_out), np.nan)
    x = np.concatenate([train, target])
    mean, spread = x.mean(0), np.maximum(x.std(0), 1e-12)
    x, y = (x - mean) / spread, np.repeat([0, 1], [len(train), len(target)])
    left_out = np.arange(len(x)) % 5 == 0
    if len({*y[left_out]}) < 2 or len({*y[~left_out]}) < 2:
        return np.ones(len(held_out))
    found = []
    for decay in DECAYS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough after 200
            fit = LogisticRegression(C=1 / (decay * len(x)), max_iter=200, tol=1e-3).fit(x[~left_out], y[~left_out])
        signs = np.where(y[left_out] == 1, 1.0, -1.0)
        loss = np.logaddexp(0, -signs * fit.decision_function(x[left_out])).mean()
        found.append((loss, -decay, fit))
    best = min(found, key=lambda one: one[:2])[2]
    score = best.decision_function((held_out.astype(np.float64) - mean) / spread)
    return np.exp(np.clip(score, -30, 30)) * len(train) / len(target)


def iwcv(weights: np.ndarray, losses: np.ndarray) -> float:
    """Importance-weighted cross-validation (Sugiyama et al., JMLR 2007): mean w l of [V] each; lower is better.

    Unbiased where source and target overlap. It fails where they do not: few images then carry all of the weight.
    The source has to be held out (where train and test are the same pictures, as in Office-31, losses are near 0).
    """
    return float((weights * losses).mean())


def dev(weights: np.ndarray, losses: np.ndarray) -> float:
    """Deep embedded validation (You et al., ICML 2019): IWCV with a control variate, of [V] each; lower is better.

    The features that the network aligns make the ratio, so that weights are smaller; fails as IWCV does, and where
    alignment is wrong (a class of the source on another of the target), which no ratio shows. May be below 0.
    """
    weighted = weights * losses
    if len(weights) < 2 or weights.var() == 0:
        return float(weighted.mean())
    eta = -np.cov(weighted, weights)[0, 1] / weights.var(ddof=1)
    return float(weighted.mean() + eta * weights.mean() - eta)


# ---- by name


class Evidence(NamedTuple):
    """What a choice may be made by."""

    source_logits: np.ndarray  # of held-out source images [V, K]
    source_labels: np.ndarray  # int [V]
    target_logits: np.ndarray  # of the unlabelled target's images [M, K]
    weights: np.ndarray | None = None  # of the held-out source images, by `ratio`, for iwcv and dev: [V]
    before: np.ndarray | None = None  # classes predicted at the evaluation before, int [M]


class Validator(NamedTuple):
    """sign: 1 where higher is better, -1 where lower."""

    of: Callable[[Evidence], float]
    sign: int

    def key(self, value: float) -> float:
        """For `max`; what is no number is worse than any."""
        return -math.inf if math.isnan(value) else self.sign * value


def _weighed(risk: Callable[[np.ndarray, np.ndarray], float]) -> Callable[[Evidence], float]:
    def of(seen: Evidence) -> float:
        if seen.weights is None:
            raise ValueError("dev and iwcv need the weights of the held-out source images")
        return risk(seen.weights, errors(seen.source_labels, seen.source_logits))

    return of


CHEAP = {
    "entropy": Validator(lambda seen: entropy(seen.target_logits), -1),
    "im": Validator(lambda seen: im(seen.target_logits), 1),
    "snd": Validator(lambda seen: snd(seen.target_logits), 1),
    "bnm": Validator(lambda seen: bnm(seen.target_logits), 1),
    "corrc": Validator(lambda seen: corrc(seen.target_logits), 1),
    "source_accuracy": Validator(lambda seen: source_accuracy(seen.source_labels, seen.source_logits), 1),
    "agreement": Validator(lambda seen: agreement(seen.target_logits.argmax(1), seen.before), 1),
}
DEAR = {"iwcv": Validator(_weighed(iwcv), -1), "dev": Validator(_weighed(dev), -1)}  # a pass more, and a classifier
ALL = {**CHEAP, **DEAR}
LAST = "last"  # no validator: the end of training
SELECTS = (LAST, *ALL)


class Oracle:
    """The best row by target labels: an upper line for what the others choose. No setting leads here."""

    @staticmethod
    def chosen(rows: Sequence[dict[str, float]], metric: str = "accuracy") -> dict[str, float]:
        """Of rows of metrics.csv; metric: accuracy, or mean_class."""
        return max(rows, key=lambda row: row[f"target_{metric}"])


def wanted(select: str, which: str) -> list[str]:
    """Names that a run with these settings computes: config.select, and config.validators (cheap or all)."""
    names = [*(ALL if which == "all" else CHEAP)]
    return names if select in (LAST, *names) else [*names, select]


def column(name: str) -> str:
    """Of metrics.csv: val_entropy, beside the term of a loss that is called entropy."""
    return f"val_{name}"


def values(names: Iterable[str], seen: Evidence) -> dict[str, float]:
    """{column: value}; NaN, which nothing chooses, where the network's answers are no numbers."""
    sound = all(np.isfinite(part).all() for part in seen if part is not None)
    return {column(name): ALL[name].of(seen) if sound else math.nan for name in names}


def chosen(rows: Sequence[dict[str, float]], name: str) -> dict[str, float]:
    """The row of metrics.csv that a validator chooses, the earliest of equals; "last" the last."""
    return rows[-1] if name == LAST else max(rows, key=lambda row: ALL[name].key(row[column(name)]))
