"""MADA against a loop over its classes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import FeatureNetwork, at_coefficient

from tfuda.experiment import cells
from tfuda.methods.mada import MADA
from tfuda.networks.base import Outputs

CLASSES, WIDTH, RAMP, FACTOR = 3, 5, 0.3, 0.7
DOMAINS = {"source": 1.0, "target": 0.0}


def made(**options) -> MADA:
    keras.utils.set_random_seed(0)
    options = {"hidden": 4, "dropout": 0.0, "trade_offs": {"domain": FACTOR}, **options}
    return at_coefficient(MADA, RAMP)(FeatureNetwork(keras.layers.Dense(CLASSES), WIDTH), **options)


def inputs(rows=(6, 4)) -> tuple[dict, dict]:
    """Features [B, d] and logits [B, K] of both domains."""
    rng = np.random.default_rng(0)
    sizes = dict(zip(DOMAINS, rows, strict=True))
    return tuple({n: tf.constant(rng.normal(size=[b, w])) for n, b in sizes.items()} for w in (WIDTH, CLASSES))


def play(method, features, logits):
    """The terms and the gradients of their weighted sum: to features, to logits, and to the discriminators."""
    weights = [v.value for v in method.bank.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([features, logits])
        batch = {name: {"image": x} for name, x in features.items()}
        outputs = {name: Outputs((), x, logits[name]) for name, x in features.items()}
        terms = method.align(batch, outputs)
        loss = method.total(terms)
    return terms, *tape.gradient(loss, [features, logits, weights])


def loop(method, features, logits, detached) -> tf.Tensor:
    """The mean of every domain's, image's and class's cross-entropy; nothing is reversed."""
    bank, each = method.bank, []
    for name, domain in DOMAINS.items():
        p = tf.nn.softmax(logits[name])
        p = tf.stop_gradient(p) if detached else p
        wrong = []
        for k in range(CLASSES):
            view = p[:, k : k + 1] * features[name]
            h = tf.nn.relu(view @ bank.w1.value[k] + bank.b1.value[k])
            h = tf.nn.relu(h @ bank.w2.value[k] + bank.b2.value[k])
            d = tf.sigmoid(tf.reduce_sum(h * bank.w3.value[k], 1) + bank.b3.value[k])
            wrong.append(-tf.math.log(d if domain else 1 - d))
        each.append(tf.reduce_mean(tf.stack(wrong)))
    return (each[0] + each[1]) / 2


@pytest.mark.parametrize("detached", [True, False])
def test_the_game_is_that_of_a_loop_over_the_classes(double, detached):
    method = made(detached=detached)
    features, logits = inputs()
    terms, to_features, to_logits, to_weights = play(method, features, logits)
    weights = [v.value for v in method.bank.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([features, logits])
        expected = FACTOR * loop(method, features, logits, detached)
    np.testing.assert_allclose(FACTOR * terms["domain"], expected, rtol=1e-10)
    f, z, w = tape.gradient(expected, [features, logits, weights], unconnected_gradients="zero")
    for name in DOMAINS:
        np.testing.assert_allclose(to_features[name], -RAMP * f[name], rtol=1e-9, atol=1e-14)
        if detached:
            assert to_logits[name] is None
        else:
            np.testing.assert_allclose(to_logits[name], -RAMP * z[name], rtol=1e-9, atol=1e-14)
            assert np.abs(z[name]).max() > 1e-5
    for ours, theirs in zip(to_weights, w, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-14)


def test_discriminators_that_are_all_right_and_all_wrong_are_seen():
    method, batch = made(), {name: {"image": tf.zeros([b, WIDTH])} for name, b in (("source", 2), ("target", 4))}
    right = {"source": tf.ones([2, CLASSES]), "target": -tf.ones([4, CLASSES])}
    assert float(method.seen_through(batch, right)["discriminator"]) == 1
    one_wrong = {**right, "source": right["source"] * [[1.0, 1, -1], [1, 1, 1]]}
    assert float(method.seen_through(batch, one_wrong)["discriminator"]) == pytest.approx(1 - 1 / 18)


def test_a_discriminator_for_each_class():
    method = made(hidden=7)
    assert method.bank.w1.shape == (CLASSES, WIDTH, 7)
    assert cells.parse_cell("mada").options.hidden == 256 and cells.parse_cell("mada").options.detached is True


def test_by_default_the_probabilities_are_constants():
    assert made().detached and "logits" in MADA.reads
    assert play(made(), *(tf.nest.map_structure(lambda x: tf.cast(x, "float32"), x) for x in inputs()))[2] == {
        "source": None,
        "target": None,
    }
