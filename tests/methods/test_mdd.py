"""MDD against tllib's margin, and where its gradients go."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import (
    FeatureNetwork,
    at_coefficient,
    golden_fixture,  # noqa: F401
)

from tfuda.experiment import cells
from tfuda.methods.mdd import MDD
from tfuda.networks.base import Outputs

FACTOR = 0.7
RAMP = 0.3
MARGIN = 4.0  # γ of the file, whose name says it


def game(method, features, logits, adversary=None) -> tuple[tf.Tensor, dict, dict]:
    """The weighted margin of {source, target: [B, d]} and {source, target: [B, K]}, and the gradients to both.

    adversary: a function in place of the method's own
    """
    if adversary is not None:
        method.adversary = adversary
    features, logits = (tf.nest.map_structure(tf.convert_to_tensor, x) for x in (features, logits))
    with tf.GradientTape() as tape:
        tape.watch([features, logits])
        batch = {name: {"image": x} for name, x in features.items()}
        outputs = {name: Outputs((), x, logits[name]) for name, x in features.items()}
        loss = method.total(method.align(batch, outputs))
    return loss, *tape.gradient(loss, [features, logits])


def made(classes, width, kind=MDD, **options):
    head = kind.head(classes, {**kind.options(), "hidden": 6, "dropout": 0.0})
    options = {"trade_offs": {"margin": FACTOR}, "hidden": 6, "dropout": 0.0, **options}
    return kind(FeatureNetwork(head, width), **options)


@pytest.mark.golden
def test_the_margin_is_that_of_tllib_and_its_gradient_is_reversed(golden):
    """The file has what is maximised; the adversary's logits stand for the features, which see its gradients."""
    file = golden("tllib_official")
    wide, known = file["ys"].shape[1], {"source": file["ys"], "target": file["yt"]}
    method = made(wide, wide, at_coefficient(MDD, RAMP), margin=MARGIN)
    adverse = {"source": file["ys_adv"], "target": file["yt_adv"]}
    loss, gradients, blocked = game(method, adverse, known, lambda x, training: x)
    assert float(loss) > 0 > float(file["mdd_margin4"])
    file.equal("mdd_margin4", -loss / FACTOR)
    for name in ("source", "target"):
        file.equal_gradient(f"mdd_margin4_g_y{name[0]}_adv", gradients[name] / (RAMP * FACTOR))
        assert blocked[name] is None and file[f"mdd_margin4_g_y{name[0]}"].size == 0


def arrays(width, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=[4, width]) for name in ("source", "target")}


def test_the_adversary_goes_down_and_the_features_up_by_the_ramp_s_height(double):
    """Against the same game written down without a reversal."""
    method = made(3, 5, steps=20, ramp_height=0.25)
    method.step.assign(20)
    features, logits = arrays(5), arrays(3, 1)
    loss, reversed_, _ = game(method, features, logits)
    weights = [v.value for v in method.adversary.trainable_variables]
    inputs = tf.nest.map_structure(tf.constant, features)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([inputs, weights])
        w0, b0, w1, b1 = weights
        p = {name: tf.nn.softmax(tf.nn.relu(x @ w0 + b0) @ w1 + b1) for name, x in inputs.items()}
        own = {name: tf.reduce_sum(p[name] * np.eye(3)[logits[name].argmax(1)], 1) for name in p}
        agree = -tf.reduce_mean(tf.math.log(own["source"]))
        expected = FACTOR * (MARGIN * agree - tf.reduce_mean(tf.math.log(1 - own["target"] + 1e-6)))
    np.testing.assert_allclose(loss, expected, rtol=1e-10)
    height = 0.25 * (2 / (1 + np.exp(-10)) - 1)
    for name, x in inputs.items():
        np.testing.assert_allclose(reversed_[name], -height * tape.gradient(expected, x), rtol=1e-9, atol=1e-14)
    with tf.GradientTape() as ours:
        batch = {name: {"image": x} for name, x in inputs.items()}
        outputs = {name: Outputs((), x, tf.constant(logits[name])) for name, x in inputs.items()}
        loss = method.total(method.align(batch, outputs))
    found = ours.gradient(loss, [v.value for v in method.adversary.trainable_variables])
    for one, other in zip(found, tape.gradient(expected, weights), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-14)


def test_by_default_the_reversal_ends_at_a_tenth():
    method = made(3, 5, steps=20)
    method.step.assign(20)
    assert float(method.reversal()) == pytest.approx(0.1 * (2 / (1 + np.exp(-10)) - 1), rel=1e-6)
    method.step.assign(0)
    assert float(method.reversal()) == 0


def test_an_adversary_that_is_sure_gives_finite_numbers():
    """1 - p is 0 or 1 to the last bit, in a graph: the logarithm's argument is at least 1e-6 and at most 1."""
    method, sure = made(3, 3), np.float32([[90, 0, 0], [0, 90, 0]])
    play = tf.function(lambda target: game(method, both, {**both, "target": target}, lambda x, training: x))
    both = {"source": sure, "target": sure}
    loss, gradients, _ = play(sure)
    assert float(loss) == pytest.approx(-FACTOR * np.log(1e-6), rel=1e-2)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())
    assert float(play(sure[::-1].copy())[0]) == 0


def test_head_and_adversary_have_one_form_and_share_nothing():
    method = made(3, 5)
    shapes = [[tuple(v.shape) for v in part.trainable_variables] for part in (method.network.head, method.adversary)]
    assert shapes[0] == shapes[1] == [(5, 6), (6,), (6, 3), (3,)]
    assert len({id(v) for v in method.trainable_variables}) == 8
    images = tf.ones([2, 5])
    np.testing.assert_array_equal(method(images), method.network.head(images))


def test_options_reach_the_heads():
    assert (
        cells.parse_cell("mdd[margin=2;hidden=7]").options.to_dict().items() >= {"margin": 2.0, "hidden": 7}.items()
    )
    head = MDD.head(3, {**MDD.options(), "hidden": 7, "dropout": 0.25})
    assert head.layers[0].units == 7 and head.layers[1].rate == 0.25
    assert isinstance(head, keras.Sequential)
