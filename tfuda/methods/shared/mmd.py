"""Compute the maximum mean discrepancy of two batches a, b [N, d] under a kernel k, for one layer or several.

    k(x, y) = sum_f exp(-|x - y|^2 / (2 f v))       f = 1/8, 1/4, 1/2, 1, 2; v = sg(mean |x_i - x_j|^2)

over all (2N)^2 pairs of [a; b], each with itself too: v is a constant for gradients. With indices modulo N,

    quad   = sum_{i != j} (k(a_i, a_j) + k(b_i, b_j)) / (N (N - 1)) - 2 sum_{i, j} k(a_i, b_j) / N^2 + 2 / (N - 1)
    linear = sum_i (k(a_i, a_i+1) + k(b_i, b_i+1) - k(a_i, b_i+1) - k(a_i+1, b_i)) / N + 2 / (N - 1)

The 2 / (N - 1) is tllib's, and has no gradient. DAN takes one layer; JAN takes several and multiplies their kernels.
N is at least 2. All functions see the whole batch: a replica passes `ops.gathered` rows, and takes `ops.share`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf

ESTIMATORS = ("quad", "linear")
FACTORS = (0.125, 0.25, 0.5, 1.0, 2.0)

Kernel = Callable[[tf.Tensor], tf.Tensor]  # [n, d] -> [n, n]


def gaussian(x: tf.Tensor, factors: Sequence[float] = FACTORS, variance: float | None = None) -> tf.Tensor:
    """Return the Gaussian kernels between all rows, summed over `factors`: [n, d] -> [n, n].

    Args:
        x: [n, d].
        factors: f of each kernel.
        variance: v; None computes v from the rows.

    The differences take n^2 d numbers for a moment, and are exact. In |x|^2 + |y|^2 - 2 x·y equal rows may lie apart,
    in float32 and more so in the TF32 of GPUs.
    """
    x = tf.convert_to_tensor(x)
    square = tf.reduce_sum(tf.math.squared_difference(x[:, None], x[None]), -1)  # [n, n]
    if variance is None:
        mean = tf.stop_gradient(tf.reduce_mean(square))
        ratio = square / tf.where(mean > 0, mean, tf.ones_like(mean))  # 0 where all rows are equal
    else:
        ratio = square / variance
    return tf.add_n([tf.exp(ratio / (-2.0 * factor)) for factor in factors])


JAN: tuple[Kernel, Kernel] = (gaussian, functools.partial(gaussian, factors=(1.0,), variance=0.92**2))


def mmd(a: tf.Tensor, b: tf.Tensor, kernel: Kernel = gaussian, estimator: str = "linear") -> tf.Tensor:
    """Return the discrepancy of a [N, d] and b [N, d], a scalar. The defaults are DAN's in tllib, on features.

    Args:
        a: [N, d].
        b: [N, d].
        kernel: [n, d] -> [n, n].
        estimator: "quad" for all pairs, "linear" for N of them.
    """
    return jmmd([a], [b], [kernel], estimator)


def jmmd(
    as_: Sequence[tf.Tensor],
    bs: Sequence[tf.Tensor],
    kernels: Sequence[Kernel] = JAN,
    estimator: str = "quad",
) -> tf.Tensor:
    """Return the joint discrepancy of several layers, a scalar.

    Args:
        as_: layers [N, d_l] of one domain.
        bs: layers [N, d_l] of the other domain.
        kernels: one for each layer; the defaults are JAN's in tllib, for features and softmax(logits).
        estimator: as for `mmd`.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"unknown estimator={estimator!r}: choose quad or linear")
    counts = {x.shape[0] for x in (*as_, *bs)} - {None}
    if len(counts) > 1 or 1 in counts:
        raise ValueError(
            f"MMD needs equally many images of both domains, at least 2, not {sorted(counts)}: set batches alike"
        )
    layers = [kernel(tf.concat([a, b], 0)) for a, b, kernel in zip(as_, bs, kernels, strict=True)]
    k = functools.reduce(tf.multiply, layers)  # [2N, 2N]
    rows = tf.shape(as_[0])[0]
    k = tf.reshape(k, [2, rows, 2, rows])  # a and b of different lengths fail here
    n = tf.cast(rows, k.dtype)
    within, across = k[0, :, 0] + k[1, :, 1], k[0, :, 1] + k[1, :, 0]  # [N, N]
    if estimator == "linear":
        value = tf.reduce_mean(tf.linalg.diag_part(tf.roll(within - across, -1, 1)))
    else:
        different = tf.reduce_sum(within) - tf.linalg.trace(within)
        value = different / (n * (n - 1.0)) - tf.reduce_mean(across)
    return value + 2.0 / (n - 1.0)
