"""MMD and its joint form: against tllib, against loops in numpy, and where rows are equal."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from golden_tools import golden_fixture  # noqa: F401

from tfuda.methods.shared import mmd

ESTIMATORS = ["quad", "linear"]
SIZES = [(2, 1), (3, 4), (7, 5)]  # N, d
FIXED = functools.partial(mmd.gaussian, factors=(0.5, 3.0), variance=1.7)


def gradients(function, *inputs) -> tuple:
    """The value, and its gradient to each input, in a graph as training runs."""

    @tf.function
    def run(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
        return value, tape.gradient(value, inputs)

    return run(*map(tf.constant, inputs))


def dan(estimator):
    return lambda a, b: mmd.mmd(a, b, estimator=estimator)


def jan(estimator):
    """Of features and logits."""

    def loss(fs, ft, ys, yt):
        return mmd.jmmd((fs, tf.nn.softmax(ys)), (ft, tf.nn.softmax(yt)), estimator=estimator)

    return loss


CASES = {"dan_mkmmd": (dan, ["fs", "ft"]), "jan": (jan, ["fs", "ft", "ys", "yt"])}


@pytest.mark.golden
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients_are_those_of_tllib(name, estimator, golden):
    file, (loss, inputs) = golden("tllib_official"), CASES[name]
    value, found = gradients(loss(estimator), *(file[key] for key in inputs))
    file.equal(f"{name}_{estimator}", value)
    for key, gradient in zip(inputs, found, strict=True):
        file.equal_gradient(f"{name}_{estimator}_g_{key}", gradient)


def batches(rows, size, seed=0):
    """a and b [rows, size], b moved away from a."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=[rows, size]), rng.normal(size=[rows, size]) * 1.5 + 0.7


def table(x, factors=mmd.FACTORS, variance=None) -> np.ndarray:
    """Pair by pair."""
    square = np.array([[np.sum((p - q) ** 2) for q in x] for p in x])
    v = square.mean() if variance is None else variance
    k = np.zeros([len(x), len(x)])
    for factor in factors:
        k += np.exp(-square / (2 * factor * v))
    return k


def loop(k, estimator) -> float:
    """The estimators term by term, of the kernel [2N, 2N]."""
    n = len(k) // 2
    total = 2 / (n - 1)
    for i in range(n):
        if estimator == "linear":
            j = (i + 1) % n
            total += (k[i, j] + k[n + i, n + j] - k[i, n + j] - k[j, n + i]) / n
            continue
        for j in range(n):
            if i != j:
                total += (k[i, j] + k[n + i, n + j]) / (n * (n - 1))
            total -= 2 * k[i, n + j] / n**2
    return total


@pytest.mark.parametrize("rows, size", SIZES)
@pytest.mark.parametrize("options", [{}, {"factors": (1.0,)}, {"factors": (0.5, 3.0), "variance": 1.7}])
def test_the_kernel_is_a_sum_of_gaussians_of_every_pair(rows, size, options):
    x = batches(rows, size)[1]
    np.testing.assert_allclose(mmd.gaussian(x, **options), table(x, **options), rtol=1e-12)


@pytest.mark.parametrize("rows, size", SIZES)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_mmd_is_the_sum_over_pairs(rows, size, estimator):
    a, b = batches(rows, size)
    x = np.concatenate([a, b])
    np.testing.assert_allclose(mmd.mmd(a, b, estimator=estimator), loop(table(x), estimator), rtol=1e-11)
    expected = loop(table(x, (0.5, 3.0), 1.7), estimator)
    np.testing.assert_allclose(mmd.mmd(a, b, FIXED, estimator), expected, rtol=1e-11)


@pytest.mark.parametrize("rows", [2, 3, 7])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_jmmd_multiplies_the_kernels_of_three_layers(rows, estimator):
    pairs = [batches(rows, size, seed) for seed, size in enumerate([6, 2, 3])]
    x = [np.concatenate(pair) for pair in pairs]
    k = table(x[0]) * table(x[1], (0.5, 3.0), 1.7) * table(x[2], (1.0,), 0.92**2)
    found = mmd.jmmd(*zip(*pairs), [mmd.gaussian, FIXED, mmd.JAN[1]], estimator)
    np.testing.assert_allclose(found, loop(k, estimator), rtol=1e-11)


def test_the_bandwidth_is_a_constant():
    """Shrinking all rows leaves the value as it is; a live bandwidth would give no gradient along the rows."""
    a, b = batches(5, 3)
    value, found = gradients(dan("quad"), a, b)
    np.testing.assert_allclose(mmd.mmd(0.1 * a, 0.1 * b, estimator="quad"), value, rtol=1e-11)
    assert abs(np.sum(found[0] * a) + np.sum(found[1] * b)) > 1e-2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("number", [0.0, 0.1, 1e4])
def test_gradients_are_zero_where_all_rows_are_equal(number, estimator, dtype):
    x, y = np.full([4, 3], number, dtype), np.full([4, 2], number, dtype)
    for loss, inputs in ((dan, (x, x)), (jan, (x, x, y, y))):
        value, found = gradients(loss(estimator), *inputs)
        assert value.dtype == dtype
        # N = 4: of the value only 2 / (N - 1) is left
        np.testing.assert_allclose(value, 2 / 3, rtol=1e-5)
        np.testing.assert_array_equal(np.concatenate(found, 1), 0)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_gradients_are_finite_where_some_rows_are_equal(estimator):
    a, b = batches(4, 3)
    a[1], b[2], b[3] = a[0], a[0], b[0]
    assert np.isfinite(gradients(dan(estimator), a, b)[1]).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_number_of_rows_may_be_open(estimator):
    function = tf.function(dan(estimator), input_signature=[tf.TensorSpec([None, 3], tf.float64)] * 2)
    for rows in (3, 6):
        a, b = batches(rows, 3)
        np.testing.assert_allclose(function(a, b), dan(estimator)(a, b), rtol=1e-12)


def test_what_does_not_fit_is_refused():
    a, b = batches(4, 3)
    with pytest.raises(ValueError, match="quad or linear"):
        mmd.mmd(a, b, estimator="cubic")
    with pytest.raises(ValueError, match=r"not \[2, 4\]: set batches alike"):
        mmd.mmd(a, b[:2])
    with pytest.raises(ValueError, match="zip"):
        mmd.jmmd([a], [b])
