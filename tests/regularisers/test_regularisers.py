"""MCC, BNM and BSP: against public implementations, where singular values are equal, and over replicas."""

import numpy as np
import pytest
import tensorflow as tf
from golden_tools import golden_fixture  # noqa: F401
from test_layers import on_each

from tfuda.networks.base import Outputs
from tfuda.regularisers.bnm import BNM, nuclear_norm
from tfuda.regularisers.bsp import BSP, largest_squares
from tfuda.regularisers.mcc import MCC

EVERY = {"mcc": MCC, "bnm": BNM, "bsp": BSP}


def share(regulariser, source, target) -> tuple[tf.Tensor, list]:
    """A regulariser's term where arrays [B, n] are both features and logits, and its gradients to them."""
    both = [tf.convert_to_tensor(x) for x in (source, target)]
    with tf.GradientTape() as tape:
        tape.watch(both)
        outputs = {name: Outputs((), x, x) for name, x in zip(("source", "target"), both, strict=True)}
        value = regulariser({}, outputs)
    return value, tape.gradient(value, both)


# ---- against public implementations


@pytest.mark.golden
def test_class_confusion_and_its_gradient(golden):
    file = golden("tllib_official")
    (match,) = file.matches(r"mcc_T([\d.]+)")
    value, (source, target) = share(MCC(temperature=float(match[1])), file["ys"], file["yt"])
    file.equal(match[0], value)
    file.equal_gradient(f"{match[0]}_g_yt", target)
    assert source is None


@pytest.mark.golden
def test_the_nuclear_norm_of_predictions_and_its_gradient(golden):
    file = golden("tllib_official")
    value, (source, target) = share(BNM(), file["ys"], file["yt"])
    file.equal("bnm", value)
    file.equal_gradient("bnm_g_yt", target)
    assert source is None


@pytest.mark.golden
def test_the_largest_singular_values_and_their_gradients(golden):
    file = golden("tllib_official")
    value, gradients = share(BSP(), file["fs"], file["ft"])
    file.equal("bsp", value)
    for key, gradient in zip(("fs", "ft"), gradients, strict=True):
        file.equal_gradient(f"bsp_g_{key}", gradient)


def test_several_singular_values_count_by_choice(double):
    x, y = (np.random.default_rng(seed).normal(size=[5, 4]) for seed in (0, 1))
    sizes = [np.linalg.svd(z)[1] for z in (x, y)]
    value, (gradient, _) = share(BSP(count=2), x, y)
    np.testing.assert_allclose(value, sum((s[:2] ** 2).sum() for s in sizes), rtol=1e-12)
    u, s, v = np.linalg.svd(x)
    np.testing.assert_allclose(gradient, 2 * (u[:, :2] * s[:2]) @ v[:2], rtol=1e-9, atol=1e-12)


# ---- equal singular values, and none

ORTHOGONAL = np.linalg.qr(np.random.default_rng(0).normal(size=[4, 4]))[0]
FLAT = np.full([4, 3], 1 / 3)
MATRICES = {
    "identity": (np.eye(4), np.eye(4)),
    "orthogonal": (ORTHOGONAL, ORTHOGONAL),
    "wide": (2 * ORTHOGONAL[:2], ORTHOGONAL[:2]),
    "two equal": (ORTHOGONAL @ np.diag([3, 3, 2, 1]), ORTHOGONAL),
    "rank 1": (FLAT, np.full([4, 3], 1 / np.sqrt(12))),
    "rank 2": (np.diag([5.0, 5, 0, 0]), np.diag([1.0, 1, 0, 0])),
    "zero": (np.zeros([4, 3]), np.zeros([4, 3])),
}  # and U Vᵀ of their singular values above 0


def of(function, x):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = function(x)
    return value, tape.gradient(value, x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", MATRICES)
def test_the_nuclear_norm_s_gradient_is_exact_at_equal_singular_values_and_leaves_zeros_out(kind, dtype):
    x, expected = (matrix.astype(dtype) for matrix in MATRICES[kind])
    value, gradient = of(nuclear_norm, x)
    np.testing.assert_allclose(value, np.linalg.svd(x)[1].sum(), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(gradient, expected, atol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("kind", ["rank 1", "rank 2", "zero"])
def test_tensorflow_s_own_gradient_follows_directions_of_no_length(kind):
    x, expected = MATRICES[kind]
    assert np.abs(of(lambda x: tf.reduce_sum(tf.linalg.svd(x)[0]), x)[1] - expected).max() > 0.1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", MATRICES)
def test_where_the_largest_are_equal_the_gradient_is_of_one_of_them(kind, dtype):
    """2 σ u vᵀ for some u, v of σ: of rank 1, of length 2 σ, and its product with x is 2 σ²."""
    x = MATRICES[kind][0].astype(dtype)
    value, gradient = of(largest_squares, x)
    size = np.linalg.svd(x)[1][0]
    close = {"rtol": 1e-5, "atol": 1e-5 if dtype == "float32" else 1e-12}
    np.testing.assert_allclose(value, size**2, **close)
    np.testing.assert_allclose(np.linalg.svd(gradient)[1], [2 * size] + [0] * (min(x.shape) - 1), **close)
    np.testing.assert_allclose(np.sum(gradient * x), 2 * size**2, **close)


@pytest.mark.parametrize("name", EVERY)
def test_logits_and_features_that_are_all_equal_give_finite_gradients(name):
    for x in (np.zeros([4, 3], "f4"), np.full([4, 3], 50, "f4"), np.float32([[200, 0, 0]] * 4)):
        value, gradients = share(EVERY[name](), x, x)
        assert np.isfinite(value) and all(np.isfinite(g).all() for g in gradients if g is not None)


# ---- replicas


@pytest.mark.parametrize("name", EVERY)
def test_two_replicas_have_the_value_and_the_gradients_of_the_whole_batch(name, two_replicas):
    rng = np.random.default_rng(0)
    source, target = (tf.constant(rng.normal(size=[2, 3, 4])) for _ in "st")

    def value_and_gradients(rank):
        value, gradients = share(EVERY[name](), source[rank], target[rank])
        return tf.concat([value[None], *(tf.reshape(g, [-1]) for g in gradients if g is not None)], 0)

    halves = on_each(two_replicas, value_and_gradients)
    value, gradients = share(EVERY[name](), *(tf.reshape(x, [6, 4]) for x in (source, target)))
    np.testing.assert_allclose(halves[0][0] + halves[1][0], value, rtol=1e-10)
    found = [g for g in gradients if g is not None]
    parts = [np.reshape(half[1:], [len(found), 3, 4]) for half in halves]
    for i, gradient in enumerate(found):
        np.testing.assert_allclose(np.concatenate([part[i] for part in parts]), gradient, rtol=1e-9, atol=1e-14)
