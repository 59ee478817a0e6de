"""DAN and JAN through their methods against tllib; JAN-A against JAN behind plain linear maps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import (
    FeatureNetwork,
    golden_fixture,  # noqa: F401
)

from tfuda.methods.dan import DAN
from tfuda.methods.jan import JAN
from tfuda.methods.shared import mmd
from tfuda.networks.base import Outputs

INPUTS = ("fs", "ft", "ys", "yt")
CASES = {"dan_mkmmd": (DAN, INPUTS[:2]), "jan": (JAN, INPUTS)}
FACTOR = 0.7  # a trade-off


def made(kind, inputs, **options):
    """A method for features and logits as wide as the inputs', whose discrepancy counts FACTOR."""
    head, factor = keras.layers.Dense(inputs["ys"].shape[1]), {"discrepancy": FACTOR}
    return kind(FeatureNetwork(head, inputs["fs"].shape[1]), trade_offs=factor, **options)


def discrepancy(method, inputs) -> tuple[tf.Tensor, dict, list]:
    """The weighted term of {fs, ft, ys, yt}, its gradients to them, and those to the maps θ."""
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    thetas = [variable.value for theta in getattr(method, "thetas", []) for variable in theta.trainable_variables]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        batch = {"source": {"image": inputs["fs"]}, "target": {"image": inputs["ft"]}}
        outputs = {name: Outputs((), inputs[f"f{name[0]}"], inputs[f"y{name[0]}"]) for name in batch}
        loss = method.total(method.align(batch, outputs))
    return loss, tape.gradient(loss, inputs), tape.gradient(loss, thetas)


@pytest.mark.golden
@pytest.mark.parametrize("estimator", mmd.ESTIMATORS)
@pytest.mark.parametrize("name", CASES)
def test_the_term_and_its_gradients_are_those_of_tllib(golden, name, estimator):
    file, (kind, read) = golden("tllib_official"), CASES[name]
    inputs = {key: file[key] for key in INPUTS}
    loss, gradients, _ = discrepancy(made(kind, inputs, estimator=estimator), inputs)
    file.equal(f"{name}_{estimator}", loss / FACTOR)
    for key in INPUTS:
        if key in read:
            file.equal_gradient(f"{name}_{estimator}_g_{key}", gradients[key] / FACTOR)
        else:
            assert gradients[key] is None


@pytest.mark.golden
@pytest.mark.parametrize("estimator", mmd.ESTIMATORS)
def test_maps_that_are_the_identity_change_neither_the_value_nor_the_network_s_gradient(golden, estimator):
    file = golden("tllib_official")
    inputs = {key: file[key] for key in INPUTS}
    method = made(JAN, inputs, estimator=estimator, adversarial=True)
    assert [theta.units for theta in method.thetas] == [inputs["fs"].shape[1], inputs["ys"].shape[1]]
    loss, gradients, _ = discrepancy(method, inputs)
    file.equal(f"jan_{estimator}", loss / FACTOR)
    for key in INPUTS:
        file.equal_gradient(f"jan_{estimator}_g_{key}", gradients[key] / FACTOR)


def arrays(rows=4, seed=0, **rows_of) -> dict:
    rng = np.random.default_rng(seed)
    widths = {"fs": 5, "ft": 5, "ys": 3, "yt": 3}
    return {name: rng.normal(size=[rows_of.get(name, rows), width]) for name, width in widths.items()}


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_maps_climb_by_their_rate_and_the_network_goes_down_with_all_of_its_gradient(double, rate):
    """Against JMMD of features and probabilities behind maps that are plain functions."""
    inputs = arrays()
    method = made(JAN, inputs, adversarial=True, theta_rate=rate)
    weights = [tf.constant(np.random.default_rng(i).normal(size=v.shape)) for i, v in enumerate(variables(method))]
    for variable, value in zip(variables(method), weights, strict=True):
        variable.assign(value)
    loss, gradients, ours = discrepancy(method, inputs)
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([inputs, weights])
        w0, b0, w1, b1 = weights
        f, p = ([inputs[k + side] for side in "st"] for k in "fy")
        layers = [(x @ w0 + b0, tf.nn.softmax(y) @ w1 + b1) for x, y in zip(f, p, strict=True)]
        expected = FACTOR * mmd.jmmd(*layers)
    np.testing.assert_allclose(loss, expected, rtol=1e-12)
    for key in INPUTS:
        np.testing.assert_allclose(gradients[key], tape.gradient(expected, inputs[key]), rtol=1e-9, atol=1e-14)
    for found, plain in zip(ours, tape.gradient(expected, weights), strict=True):
        np.testing.assert_allclose(found, -rate * plain, rtol=1e-9, atol=1e-14)
    assert max(np.abs(found).max() for found in ours) > 1e-3


def variables(method) -> list:
    return [variable for theta in method.thetas for variable in theta.trainable_variables]


def test_maps_are_trained_and_a_plain_jan_has_none():
    adversarial = tiny.train(tiny.config("jan[adversarial=True]", steps=2))
    kernels_ = [theta.kernel for theta in adversarial.thetas]
    assert all(np.abs(kernel - np.eye(*kernel.shape)).max() > 1e-6 for kernel in kernels_)
    trained = {id(variable) for variable in adversarial.trainable_variables}
    assert {*map(id, variables(adversarial))} <= trained
    plain = made(JAN, arrays())
    assert plain.thetas == [] and len(plain.trainable_variables) == 2


@pytest.mark.parametrize("kind", [DAN, JAN])
@pytest.mark.parametrize("rows, sizes", [({"fs": 3, "ys": 3}, r"\[3, 4\]"), (dict.fromkeys(INPUTS, 1), r"\[1\]")])
def test_domains_of_different_or_too_few_images_are_refused(double, kind, rows, sizes):
    inputs = arrays(**rows)
    with pytest.raises(ValueError, match=f"equally many images of both domains, at least 2, not {sizes}"):
        discrepancy(made(kind, inputs), inputs)


def test_a_run_with_different_batches_is_refused_in_that_sentence():
    config = tiny.config("dan")
    config.batches.source = 6
    with pytest.raises(ValueError, match="MMD needs equally many images of both domains"):
        tiny.train(config)


@pytest.mark.parametrize("kind", [DAN, JAN])
def test_an_estimator_that_is_none_is_refused(kind):
    with pytest.raises(ValueError, match=r"^unknown estimator='cubic': choose quad or linear$"):
        made(kind, arrays(), estimator="cubic")
