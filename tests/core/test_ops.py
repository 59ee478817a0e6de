"""The operations that every method is made of."""

import numpy as np
import pytest
import tensorflow as tf

from tfuda.core import ops

RNG = np.random.default_rng(0)


def values(*shape) -> tf.Tensor:
    """Normal, float64."""
    return tf.constant(RNG.normal(size=shape))


def difference_quotient(function, x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """d function / d x by central differences; function: [...] -> scalar."""
    gradient = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        e = np.zeros_like(x)
        e[i] = step
        gradient[i] = (function(x + e) - function(x - e)) / (2 * step)
    return gradient


# ---- safe_norm


def test_safe_norm_is_the_euclidean_norm_with_its_axis_kept():
    x = values(4, 3, 5)
    expected = np.linalg.norm(x.numpy(), axis=-1, keepdims=True)
    np.testing.assert_allclose(ops.safe_norm(x), expected, rtol=1e-14)


def test_gradient_of_safe_norm_equals_finite_differences():
    x = values(4, 5)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(ops.safe_norm(x))
    expected = difference_quotient(lambda x: np.linalg.norm(x, axis=-1).sum(), x.numpy())
    np.testing.assert_allclose(tape.gradient(y, x), expected, atol=1e-8)


@pytest.mark.parametrize("xla", [False, True])
def test_safe_norm_of_zeros_is_0_and_so_is_its_gradient_even_beside_other_rows(xla):
    """With XLA too, which turns the gradient of a masked square root at 0 into NaN."""

    @tf.function(jit_compile=xla)
    def norm_and_gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = ops.safe_norm(x)
        return y, tape.gradient(y, x)

    y, gradient = norm_and_gradient(tf.constant([[0.0, 0.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(y, [[0.0], [5.0]])
    np.testing.assert_allclose(gradient, [[0.0, 0.0], [0.6, 0.8]], rtol=1e-6)


# ---- reverse_gradient


def test_reverse_gradient_is_the_identity_forwards():
    x = values(2, 3, 4)
    np.testing.assert_array_equal(ops.reverse_gradient(x, 0.3), x)


@pytest.mark.parametrize("scale", [0.0, 0.3, 1.0, tf.constant(0.3)], ids=str)
def test_reverse_gradient_turns_and_scales_the_gradient(scale):
    x, upstream = values(2, 3), values(2, 3)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = ops.reverse_gradient(x, scale)
    expected = -float(scale) * upstream.numpy()
    np.testing.assert_allclose(tape.gradient(y, x, upstream), expected, rtol=1e-6)


def test_reverse_gradient_gives_its_scale_no_gradient():
    x, scale = values(3), tf.constant(0.3, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(scale)
        y = ops.reverse_gradient(x, scale)
    assert tape.gradient(y, scale) is None


# ---- sensitivity

W, V, C = values(5, 6), values(6, 3), values(5, 3)
HEADS = {
    "linear": lambda f: f @ C + 0.5,
    "difference": lambda f: f @ C - f @ W @ V,
    "mlp": lambda f: tf.tanh(f @ W) @ V,
    "cosine": lambda f: tf.nn.l2_normalize(f, -1) @ tf.nn.l2_normalize(C, 0) / 0.05,
}
LABELS = np.array([0, 2, 1, 2])


def score_of(name: str):
    """The logit of the label, [B, 5] -> [4]."""
    return lambda f: tf.gather(HEADS[name](f), LABELS, batch_dims=1)


def test_sensitivity_of_a_linear_head_is_the_label_s_column():
    expected = C.numpy()[:, LABELS].T
    np.testing.assert_allclose(ops.sensitivity(score_of("linear"), values(4, 5)), expected, rtol=1e-14)


@pytest.mark.parametrize("name", HEADS)
def test_sensitivity_of_any_head_is_a_row_of_its_jacobian(name):
    f = values(4, 5)
    with tf.GradientTape() as tape:
        tape.watch(f)
        logits = HEADS[name](f)
    jacobian = tape.batch_jacobian(logits, f).numpy()  # [B, K, d]
    expected = jacobian[np.arange(4), LABELS]
    np.testing.assert_allclose(ops.sensitivity(score_of(name), f), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", HEADS)
def test_sensitivity_is_a_constant_to_the_outer_tape(name):
    f = values(4, 5)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([f, W, V, C])
        w = ops.sensitivity(score_of(name), f)
        product = tf.reduce_sum(w * f)
    assert tape.gradient(w, [f, W, V, C]) == [None] * 4
    np.testing.assert_array_equal(tape.gradient(product, f), w)


# ---- mean


def test_mean_equals_numpy():
    x = values(7)
    np.testing.assert_allclose(ops.mean(x), np.mean(x.numpy()), rtol=1e-14)


def test_weighted_mean_equals_numpy():
    x, w = values(7), tf.exp(values(7))
    np.testing.assert_allclose(ops.mean(x, w), np.average(x.numpy(), weights=w.numpy()), rtol=1e-14)


def test_gradients_reach_the_weights_of_a_mean_through_the_numerator_only():
    x, w = values(7), tf.exp(values(7))
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        y = ops.mean(x, w)
    dx, dw = tape.gradient(y, [x, w])
    np.testing.assert_allclose(dx, w / np.sum(w), rtol=1e-14)
    np.testing.assert_allclose(dw, x / np.sum(w), rtol=1e-14)  # live: (x - mean) / sum
