"""Probe a network with mixed target images (MixVal): are the mixtures of the class that has the larger share?

MixVal (Hu, Liang, Liew, Xue, Bai and Wang, NeurIPS 2023, https://openreview.net/forum?id=ackajXqei2):

    x = SHARE a + (1 - SHARE) b,    ICE = mean over pairs of 1[argmax p(x) = argmax p(a)]
    pairs inside   a and b of one predicted class: is its neighbourhood dense?
    pairs across   a and b of two classes: does the boundary lie where few images are?

Departures: the authors' code reports ICE inside and across separately, and here their mean is the value. The partner
of an image inside its class lies half the class away, where the code reverses batches of a list sorted by class.
Where frozen stages are computed once (config.views), their maps are mixed in place of the images.
"""

from __future__ import annotations

import numpy as np

from tfuda.data.pipeline import Pictures
from tfuda.evaluation.evaluate import Observer

SHARE = 0.55  # lambda of the paper, of the first image of a pair


def pairs(classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of images to mix, as rows (a, b): int [P, 2] inside a class, and int [Q, 2] across classes.

    The same classes always give the same pairs.

    Args:
        classes: predicted classes of the target images, int [M].
    """
    inside = [np.zeros([0, 2], int)]
    for k in np.unique(classes):
        members = np.flatnonzero(classes == k)
        if len(members) > 1:
            inside.append(np.stack([members, np.roll(members, len(members) // 2)], 1))
    rows = np.arange(len(classes))
    partners = np.random.default_rng(0).permutation(rows)
    return np.concatenate(inside), np.stack([rows, partners], 1)[classes != classes[partners]]


def mixture(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return SHARE a + (1 - SHARE) b in the type of a, rounded for integers. a, b: images [B, ...]."""
    mixed = SHARE * a.astype(np.float32) + (1 - SHARE) * b.astype(np.float32)
    return (np.rint(mixed) if a.dtype == np.uint8 else mixed).astype(a.dtype)


def mixed_logits(observer: Observer, images: Pictures, classes: np.ndarray) -> np.ndarray:
    """Return the logits of the mixed images of all `pairs`, inside before across: [P + Q, K].

    Args:
        observer: runs the network in evaluation mode.
        images: the target images, uint8 [M, H, W, 3] or the paths of M pictures.
        classes: predicted classes of the target images, int [M].
    """
    together, found = np.concatenate(pairs(classes)), []
    for start in range(0, len(together), observer.batch):
        a, b = (
            np.concatenate([np.asarray(shown) for shown in observer.batches(images[rows])])  # [B, V, H, W, 3]
            for rows in together[start : start + observer.batch].T
        )
        found.append(observer.run(mixture(a, b))[1].numpy())
    return np.concatenate(found) if found else np.zeros([0, 0])


def mixval(target_logits: np.ndarray, mixed: np.ndarray) -> float:
    """Return the mean of ICE inside and across classes, in 0..1 (Hu et al., NeurIPS 2023); higher is better.

    The validator fails where the network is wrong and its classes are clusters all the same. It costs a pass over
    nearly 2 M mixed images. A kind without pairs counts 0: a network that predicts one class gets at most 1/2.

    Args:
        target_logits: float [M, K].
        mixed: `mixed_logits` of the same network and images, float [P + Q, K].
    """
    classes = target_logits.argmax(1)
    inside, across = pairs(classes)
    if not len(mixed):
        return 0.0
    right = mixed.argmax(1) == classes[np.concatenate([inside, across])[:, 0]]  # [P + Q]
    return float(sum(part.mean() for part in np.split(right, [len(inside)]) if len(part)) / 2)
