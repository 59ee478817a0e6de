"""The plain part of each seam of a step, and which weigher fits which method."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tfuda.names import says


def unweighed(network, batch, outputs):
    """The weigher that leaves everything as it is."""
    return outputs


def latest(batch, outputs):
    """Pseudo-labels without a memory: what the network says of the target now, int32 [B]."""
    pseudo = tf.argmax(outputs["target"].logits, -1, tf.int32)
    return {**batch, "target": {**batch["target"], "pseudo": pseudo}}


def joint(method, batch):
    """The plain combiner: one forward pass, the weighted sum of all terms, its gradients."""
    with tf.GradientTape() as tape:
        batch, outputs = method.forward(batch)
        terms = method.terms(batch, outputs)
        loss = method.optimizer.scale_loss(method.total(terms))
    return method.gradients(tape, loss), terms, batch, outputs


def fits(kind: type, weigh: Callable) -> bool:
    """Does the game of this method read what the weigher changes?"""
    return bool({*kind._reads} & {*says(weigh, "CHANGES", kind._reads)})  # type: ignore[attr-defined]


def check(kind: type, weigh: Callable) -> None:
    """Refuse a weigher that could change nothing."""
    if weigh is unweighed or fits(kind, weigh):
        return
    name, reads = getattr(weigh, "func", weigh).__name__, kind._reads  # type: ignore[attr-defined]
    if not reads:
        raise ValueError(f"{kind.__name__} aligns nothing that a weigher shows, so {name} cannot act on it")
    changed = " and ".join(says(weigh, "CHANGES", ()))
    raise ValueError(
        f"{kind.__name__} aligns {' and '.join(reads)}, and {name} changes {changed} alone: it could not act"
    )
