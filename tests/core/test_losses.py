"""Losses against their formulas in numpy, and where the formulas overflow."""

import numpy as np
import pytest
import tensorflow as tf

from tfuda.core import losses

RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.normal(size=(8, 5)) * 3, RNG.integers(0, 5, 8)
VERDICTS, DOMAINS = RNG.normal(size=8) * 3, RNG.integers(0, 2, 8)


def softmax(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def value_and_gradient(function, logits) -> tuple[np.ndarray, np.ndarray]:
    """In a graph, as training runs: TensorFlow rearranges sums there, and a small epsilon can get lost."""

    @tf.function
    def run(logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = function(logits)
        return loss, tape.gradient(loss, logits)

    value, gradient = run(tf.constant(logits))
    return value.numpy(), gradient.numpy()


def test_cross_entropy_and_its_gradient():
    value, gradient = value_and_gradient(lambda y: losses.cross_entropy(LABELS, y), LOGITS)
    p = softmax(LOGITS)
    np.testing.assert_allclose(value, -np.log(p[np.arange(8), LABELS]), rtol=1e-12)
    np.testing.assert_allclose(gradient, p - np.eye(5)[LABELS], rtol=1e-12)


@pytest.mark.parametrize("epsilon", [0.0, 1e-8, 1e-2])
def test_binary_cross_entropy_and_its_gradient(epsilon):
    value, gradient = value_and_gradient(lambda y: losses.binary_cross_entropy(DOMAINS, y, epsilon), VERDICTS)
    d = 1 / (1 + np.exp(-VERDICTS))
    expected = -DOMAINS * np.log(d + epsilon) - (1 - DOMAINS) * np.log(1 - d + epsilon)
    slope = d * (1 - d) * (-DOMAINS / (d + epsilon) + (1 - DOMAINS) / (1 - d + epsilon))
    np.testing.assert_allclose(value, expected, rtol=1e-10)
    np.testing.assert_allclose(gradient, slope, rtol=1e-10)


@pytest.mark.parametrize("epsilon", [1e-5, 1e-2])
def test_entropy_and_its_gradient(epsilon):
    value, gradient = value_and_gradient(lambda y: losses.entropy(y, epsilon), LOGITS)
    p = softmax(LOGITS)
    np.testing.assert_allclose(value, -(p * np.log(p + epsilon)).sum(-1), rtol=1e-12)
    inner = -np.log(p + epsilon) - p / (p + epsilon)
    np.testing.assert_allclose(gradient, p * (inner - (p * inner).sum(-1, keepdims=True)), atol=1e-12)


EXTREME = np.array([-1e4, -1e2, 0.0, 1e2, 1e4])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("domain", [0, 1])
def test_exact_binary_cross_entropy_is_linear_where_the_discriminator_is_sure_and_wrong(dtype, domain):
    labels = np.full(5, domain)
    value, gradient = value_and_gradient(lambda y: losses.binary_cross_entropy(labels, y), EXTREME.astype(dtype))
    values, slopes = ([0, 0, np.log(2), 1e2, 1e4], [0, 0, 0.5, 1, 1])  # of domain 0; domain 1 mirrors them
    if domain == 1:
        values, slopes = values[::-1], [-slope for slope in slopes[::-1]]
    np.testing.assert_allclose(value, values, rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("domain", [0, 1])
def test_the_epsilon_bounds_value_and_gradient_of_binary_cross_entropy(dtype, domain):
    labels = np.full(5, domain)
    value, gradient = value_and_gradient(
        lambda y: losses.binary_cross_entropy(labels, y, 1e-8), EXTREME.astype(dtype)
    )
    assert np.isfinite(value).all()
    assert value.max() == pytest.approx(-np.log(1e-8), rel=1e-4)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() <= 1.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_entropy_and_cross_entropy_of_saturated_logits_are_finite(dtype):
    logits = np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]], dtype)
    value, gradient = value_and_gradient(losses.entropy, logits)
    np.testing.assert_allclose(value, [0.0, np.log(3)], atol=1e-4)
    assert np.isfinite(gradient).all()
    value, gradient = value_and_gradient(lambda y: losses.cross_entropy([1, 1], y), logits)
    np.testing.assert_allclose(value, [2e4, np.log(3)], rtol=1e-6)
    assert np.isfinite(gradient).all()
