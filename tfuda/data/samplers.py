"""Choose the images of each batch by pure functions of (seed, step), so that resuming needs no state and no skipping.

Each sampler takes (domain, batch, seed) and returns a function step (int64 scalar) -> rows int64 [batch]. A config
names the sampler:

    uniform     every image once in each pass over the domain
    balanced    class after class in a new order each turn (BIWAA, docs/methods/biwaa.md#biwaa-recipe),
                by labels or by pseudo-labels
    oracle      balanced by the target's true labels: an upper bound, not a result (BIWAA, Figure 5)
    per_domain  one of several sources at random for every image (HDA)
    padded      several sources repeated to the length of the longest, then shuffled together (ToAlign)

The function consists of TensorFlow operations; one with a Python `if` on a tensor needs @tf.function above it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfuda.data.tasks import Domain

Seed = tuple[int, int]
Sampler = Callable[[tf.Tensor], tf.Tensor]


def shuffled(index: tf.Tensor, count, seed: Seed, *turn: tf.Tensor) -> tf.Tensor:
    """Return the place of `index` in a random permutation of range(count): int64 [n].

    Args:
        index: int64 [n].
        count: length of the permutation, int or int64 [n].
        seed: two integers.
        turn: one or two tensors int64 [n]; with `seed` they determine the permutation. Up to 65,536 places the op
            reads each of these numbers modulo 256, so orders repeat after 256 passes.
    """
    first = turn[0] if len(turn) == 1 else turn[0] * 65599 + turn[1]  # the op uses only 32 bits of a seed
    keys = tf.stack([tf.fill(tf.shape(index), tf.constant(part, tf.int64)) for part in seed] + [first], 1)
    last = tf.broadcast_to(tf.cast(count, tf.int64) - 1, tf.shape(index))
    return tf.raw_ops.RandomIndexShuffle(index=index, seed=keys, max_index=last, rounds=4)


def positions(step: tf.Tensor, batch: int) -> tf.Tensor:
    """Return the positions of a step's images in the infinite sequence of images: int64 [batch]."""
    return step * batch + tf.range(batch, dtype=tf.int64)


def uniform(domain: Domain, batch: int, seed: Seed) -> Sampler:
    """Sample without replacement in each pass over the domain."""
    count = len(domain)

    def rows(step: tf.Tensor) -> tf.Tensor:
        at = positions(step, batch)
        return shuffled(at % count, count, seed, at // count)

    return rows


def class_rows(labels: np.ndarray, batch: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return rows of each class that is large enough, [K, max] padded with 0; their counts [K]; batches in a round.

    See docs/methods/biwaa.md#biwaa-recipe.

    Args:
        labels: int [N], below 0 for images that belong to no class.
        batch: images in a batch.

    Raises:
        ValueError: if no balanced batch can be made.
    """
    kinds, counts = np.unique(labels[labels >= 0], return_counts=True)
    classes = int(labels.max(initial=-1)) + 1
    keep = kinds[counts * classes // batch >= 1]
    if not len(keep):
        raise ValueError(
            f"no class has the {batch / max(classes, 1):.0f} images that balanced batches of {batch} need"
        )
    members = [np.flatnonzero(labels == k) for k in keep]
    sizes = np.array([len(rows) for rows in members])
    table = np.zeros([len(keep), sizes.max()], np.int64)
    for row, rows in zip(table, members, strict=True):
        row[: len(rows)] = rows
    length = int(sizes.min()) * len(keep) // batch
    if not length:
        raise ValueError(
            f"balanced batches of {batch} need more than {sizes.min()} images of each of {len(keep)} classes"
        )
    return table, sizes, length


def usable(labels: np.ndarray, batch: int) -> np.ndarray:
    """Drop the smallest classes of pseudo-labels until a balanced batch can be made: int [N], below 0 for none."""
    labels = labels.copy()
    while (labels >= 0).any():
        try:
            class_rows(labels, batch)
            break
        except ValueError:
            kinds, counts = np.unique(labels[labels >= 0], return_counts=True)
            labels[labels == kinds[counts.argmin()]] = -1
    return labels


def by_turns(step: tf.Tensor, batch: int, table: np.ndarray, length: int, order: Callable, shuffle: Callable):
    """Return the balanced loader's rows of a step, int64 [batch], for any source of permutations.

    A round has `length` batches. Turn t of a round takes the t-th image of every class, classes in the turn's order.

    Args:
        step: int64 scalar.
        batch: images in a batch.
        table: rows of each class, int64 [K, max].
        length: batches in a round.
        order: (round, turn, slot) -> class, all int64 [batch].
        shuffle: (round, class, t) -> place in the class, all int64 [batch].
    """
    place = step % length * batch + tf.range(batch, dtype=tf.int64)
    turn, slot = place // len(table), place % len(table)
    rounds = tf.fill([batch], step // length)
    kind = order(rounds, turn, slot)
    return tf.gather_nd(tf.constant(table), tf.stack([kind, shuffle(rounds, kind, turn)], 1))


def balanced(domain: Domain, batch: int, seed: Seed) -> Sampler:
    """Sample equally many images of each class; small classes drop out, large ones are sub-sampled in each round.

    Unlike the authors' loader, this sampler shuffles before the first round too.
    """
    table, sizes, length = class_rows(domain.known_labels, batch)

    def order(rounds, turn, slot):
        return shuffled(slot, len(table), seed, rounds, turn)

    def shuffle(rounds, kind, t):
        other = (seed[0], seed[1] + 1)
        return shuffled(t, tf.gather(tf.constant(sizes, tf.int64), kind), other, rounds, kind)

    return lambda step: by_turns(step, batch, table, length, order, shuffle)


def oracle(domain: Domain, batch: int, seed: Seed) -> Sampler:
    """Sample as `balanced` does, from the target's true labels."""
    return balanced(domain, batch, seed)


def _origins(domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each source in a union, and its number of images."""
    if domain.origin is None:
        return np.zeros(1, np.int64), np.array([len(domain)])
    counts = np.bincount(domain.origin)
    return np.cumsum(counts) - counts, counts  # a union concatenates its sources


def per_domain(domain: Domain, batch: int, seed: Seed) -> Sampler:
    """Draw a source for every image, and take the next image in that source's own order."""
    first, counts = _origins(domain)

    def rows(step: tf.Tensor) -> tf.Tensor:
        at = positions(step, batch)
        key = tf.stack([tf.constant(seed[0] * 2**32 + seed[1], tf.int64), step]) + 32  # not the crops' seed
        source = tf.random.stateless_uniform([batch], key, 0, len(counts), tf.int64)
        count = tf.gather(tf.constant(counts, tf.int64), source)
        return tf.gather(tf.constant(first, tf.int64), source) + shuffled(
            at % count, count, seed, at // count, source
        )

    return rows


def padded(domain: Domain, batch: int, seed: Seed) -> Sampler:
    """Repeat each source to the length of the longest, then sample without replacement from all together."""
    first, counts = _origins(domain)
    longest, total = int(counts.max()), int(counts.max()) * len(counts)

    def rows(step: tf.Tensor) -> tf.Tensor:
        at = positions(step, batch)
        place = shuffled(at % total, total, seed, at // total)
        source = place // longest
        inside = place % longest % tf.gather(tf.constant(counts, tf.int64), source)
        return tf.gather(tf.constant(first, tf.int64), source) + inside

    return rows
