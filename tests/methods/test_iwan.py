"""IWAN against a reference written straight down; PADA is DANN with class weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import FeatureNetwork, at_coefficient

from tfuda.experiment import build
from tfuda.methods.dann import DANN
from tfuda.methods.iwan import IWAN
from tfuda.methods.pada import PADA
from tfuda.networks.base import Outputs

WIDTH, RAMP = 5, 0.3
DOMAINS = {"source": 1.0, "target": 0.0}


def made(**options) -> IWAN:
    keras.utils.set_random_seed(0)
    options = {"hidden": 4, "dropout": 0.0, **options}
    return at_coefficient(IWAN, RAMP)(FeatureNetwork(keras.layers.Dense(3), WIDTH), **options)


def inputs() -> tuple[dict, dict]:
    """Features and logits of both domains."""
    rng = np.random.default_rng(0)
    sizes = {"source": 6, "target": 4}
    return tuple({n: tf.constant(rng.normal(size=[b, w])) for n, b in sizes.items()} for w in (WIDTH, 3))


def players(method) -> list:
    return [v.value for part in (method.teller, method.discriminator) for v in part.trainable_variables]


def play(method, features, logits, labels=None):
    """The terms of game and regulariser; the gradients of their weighted sum, the teller's, and the domain's."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([features, logits])
        batch = {name: {"image": x} for name, x in features.items()}
        if labels is not None:
            batch["source"]["label"] = tf.constant(labels)
        outputs = {name: Outputs((), x, logits[name]) for name, x in features.items()}
        terms = {**method.align(batch, outputs), **method.regularise(batch, outputs)}
        total = method.total(terms)
    sources = [features, logits, players(method)]
    parts = (total, terms["teller"], terms["domain"])
    return terms, [tape.gradient(loss, sources, unconnected_gradients="zero") for loss in parts]


def chance(x, weights):
    """sigmoid of two hidden layers and one output: [B]."""
    w0, b0, w1, b1, w2, b2 = weights
    return tf.sigmoid((tf.nn.relu(tf.nn.relu(x @ w0 + b0) @ w1 + b1) @ w2 + b2)[:, 0])


def reference(method, features, logits, own=1.0) -> dict:
    """The terms, in which nothing is reversed or stopped but the weights and the teller's features.

    own: another weight of each source image, [B]
    """
    weights = players(method)
    told = {name: chance(tf.stop_gradient(x), weights[:6]) for name, x in features.items()}
    seen = {name: chance(x, weights[6:]) for name, x in features.items()}
    w = tf.stop_gradient((1 - told["source"]) / (tf.reduce_mean(1 - told["source"]) + 1e-5))
    mean, log = tf.reduce_mean, tf.math.log
    p = tf.nn.softmax(logits["target"])
    return {
        "teller": -0.5 * (mean(own * log(told["source"])) + mean(log(1 - told["target"]))),
        "domain": -0.5 * (mean(own * w * log(seen["source"])) + mean(log(1 - seen["target"]))),
        "entropy": -mean(tf.reduce_sum(p * log(p + 1e-5), 1)),
    }


def test_terms_and_gradients_are_those_of_the_reference(double):
    method = made()
    features, logits = inputs()
    terms, (ours, *_) = play(method, features, logits)
    with tf.GradientTape() as tape:
        tape.watch([features, logits])
        expected = reference(method, features, logits)
        total = 3 * expected["domain"] + 4.5 * expected["teller"] + 0.1 * expected["entropy"]
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-10)
    theirs = tape.gradient(total, [features, logits, players(method)], unconnected_gradients="zero")
    for name in DOMAINS:
        np.testing.assert_allclose(ours[0][name], -RAMP * theirs[0][name], rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(ours[1][name], theirs[1][name], rtol=1e-9, atol=1e-14)
    for one, other in zip(ours[2], theirs[2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-14)
        assert np.abs(other).max() > 0


def test_features_learn_nothing_from_the_teller_and_the_teller_nothing_from_the_game(double):
    _, (_, teller, domain) = play(made(), *inputs())
    assert all(not np.any(gradient) for gradient in teller[0].values())
    assert all(np.any(gradient) for gradient in domain[0].values())
    assert all(not np.any(gradient) for gradient in domain[2][:6]) and any(np.any(g) for g in domain[2][6:])


def test_a_teller_that_knows_every_source_image_leaves_finite_weights(double):
    """1 - D is 1e-8 for all: far below the 1e-5 beside their mean, so the weights are small, not 1."""
    method = made()
    last = method.teller.layers[-1]
    last.kernel.assign(tf.zeros_like(last.kernel))
    last.bias.assign([-np.log(1e-8)])
    features, logits = inputs()
    terms, _ = play(method, features, logits)
    np.testing.assert_allclose(terms["domain"], reference(method, features, logits)["domain"], rtol=1e-9)
    target = -0.5 * tf.reduce_mean(tf.math.log(1 - chance(features["target"], players(method)[6:])))
    np.testing.assert_allclose(terms["domain"], target, rtol=2e-3)


def test_class_weights_multiply_the_source_s_own(double):
    method, labels = made(pada=True), [0, 1, 2, 0, 1, 2]
    method.class_weights.assign([1.0, 0.5, 0.25])
    own = np.array([1.0, 0.5, 0.25])[labels]
    features, logits = inputs()
    terms, _ = play(method, features, logits, labels)
    # the target of both games counts by the mean weight of the batch
    expected = reference(method, features, logits, own)
    plain = reference(method, features, logits)
    assert float(terms["domain"]) != pytest.approx(float(plain["domain"]), rel=1e-3)
    weights = players(method)
    for name, part in (("teller", weights[:6]), ("domain", weights[6:])):
        target = -0.5 * tf.reduce_mean(tf.math.log(1 - chance(features["target"], part)))
        np.testing.assert_allclose(terms[name], expected[name] + (own.mean() - 1) * target, rtol=1e-9)


def test_without_a_target_there_is_no_entropy():
    assert made().regularise({}, {"source": None}) == {}


# ---- PADA


@pytest.mark.slow
def test_pada_is_dann_with_class_weights(eager):
    cells, short = ("pada", "dann[pada=True;epsilon=0]"), {"target_classes": 5, "steps": 3, "segment": 2}
    one, other = (tiny.train(tiny.config(cell, **short)) for cell in cells)
    assert tiny.differing(tiny.state(one), tiny.state(other)) == []
    assert np.ptp(one.class_weights.numpy()) > 0
    changed = {name for name, value in PADA.options().items() if value != DANN.options()[name]}
    assert changed == {"pada", "epsilon"}


@pytest.mark.parametrize("cell", ["iwan", "tada", "hda[pooled=True]", "gvb"])
def test_the_ramp_on_the_loss_is_of_every_game(cell):
    """`ramp_loss` weighs the game's term itself, whatever the method makes of `align` and `compare`."""
    made = tiny.config(cell, smooth=True)
    made.options.dropout = 0.0
    terms = {}
    for made.options.ramp_loss in (False, True):
        task, method = tiny.prepared(made)
        method.step.assign(3)
        batch, outputs = method.forward(build.streams(made, task).load(0))
        terms[made.options.ramp_loss] = float(method.align(batch, outputs)["domain"])
    assert terms[True] == pytest.approx(terms[False] * float(method.reversal()), rel=1e-5)


@pytest.mark.parametrize("cell", ["iwan", "mada"])
def test_more_domains_than_two_are_refused(cell):
    made = tiny.config(cell)
    made.options.width = 2
    with pytest.raises(ValueError, match=f"^{cell} has two domains: leave out width=2$"):
        build.method(made)
