"""Bottlenecks by name, and the heads that papers bring along."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda.experiment import build
from tfuda.networks import heads
from tfuda.networks.heads import CosineHead, SymmetricHead


def normal(*shape, seed=0) -> tf.Tensor:
    return tf.constant(np.random.default_rng(seed).normal(size=shape), keras.config.floatx())


# ---- bottlenecks

NECKS = {
    "norm": ["hidden", "hidden_norm", "hidden_relu"],
    "dropout": ["hidden", "hidden_relu", "hidden_dropout"],
    "norm+dropout": ["hidden", "hidden_norm", "hidden_relu", "hidden_dropout"],
}


@pytest.mark.parametrize("kind", NECKS)
def test_a_bottleneck_s_name_says_what_is_in_it(kind):
    made = heads.neck(5, kind, "kaiming")
    assert made.name == "bottleneck" and [layer.name for layer in made.layers] == NECKS[kind]
    assert made.layers[0].units == 5 and heads.neck(5, "linear", "kaiming") == 5
    assert [layer.rate for layer in made.layers if "dropout" in layer.name] == [0.5] * ("dropout" in kind)
    assert {*NECKS, "linear"} == {*heads.NECKS}


def test_a_bottleneck_normalises_cuts_at_zero_and_drops_half(double):
    x, made = normal(400, 4), heads.neck(6, "norm+dropout", "kaiming")
    linear, *_ = made.layers
    made(x)
    h = x @ linear.kernel + linear.bias
    h = (h - tf.reduce_mean(h, 0)) / tf.sqrt(tf.math.reduce_variance(h, 0) + 1e-5)
    full, found = np.maximum(h, 0), made(x, training=True).numpy()
    kept = found > 0
    np.testing.assert_allclose(found[kept], 2 * full[kept], rtol=1e-9)
    assert 0.45 < kept[full > 0].mean() < 0.55
    assert made.layers[1].momentum == 0.9 and made.layers[1].synchronized


def test_a_bottleneck_of_the_config_reaches_the_network():
    made = tiny.config("mdd")
    made.network.update(bottleneck=7, neck="norm+dropout")
    network = build.network(made, build.task(made))
    assert [layer.name for layer in network.bottleneck.layers] == NECKS["norm+dropout"]
    assert network(network.blank()).features.shape == (1, 7)
    made.network.bottleneck = 0
    with pytest.raises(ValueError, match=r"^network\.neck=norm\+dropout needs a bottleneck: set network\.bottleneck"):
        build.network(made, build.task(made))


def test_a_method_with_a_bottleneck_of_its_own_takes_no_other():
    made = tiny.config("afn")
    made.network.update(bottleneck=7, neck="norm")
    with pytest.raises(ValueError, match=r"afn has a bottleneck of its own: leave out network\.neck=norm$"):
        build.network(made, build.task(made))


# ---- heads


def test_a_symmetric_head_is_two_classifiers_of_which_the_second_answers():
    head, x = SymmetricHead(3), normal(4, 5)
    answer, both = head(x), head.both(x)
    assert both.shape == (4, 6) and [v.path for v in head.variables] == ["head/pair/kernel", "head/pair/bias"]
    np.testing.assert_array_equal(answer, both[:, 3:])
    np.testing.assert_allclose(head.both(x, frozen=True), both, rtol=1e-5, atol=1e-6)


def test_a_frozen_head_passes_gradients_to_the_features_alone():
    head, x = SymmetricHead(3), normal(4, 5)
    head(x)
    sources = [x, head.pair.kernel.value, head.pair.bias.value]
    for frozen in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(head.both(x, frozen=frozen) ** 2)
        to_x, *to_head = tape.gradient(loss, sources)
        assert np.any(to_x) and [gradient is None for gradient in to_head] == [frozen] * 2


@pytest.mark.parametrize("hidden", [0, 4])
def test_cosines_do_not_depend_on_a_feature_s_length(double, hidden):
    head, x = CosineHead(3, hidden, 0.1), normal(6, 5)
    answer = head(x)
    h = head.before(x)
    np.testing.assert_allclose(head.cosines(7 * h), answer, rtol=1e-12)
    units = h / tf.norm(h, axis=1, keepdims=True)
    np.testing.assert_allclose(answer, units @ head.prototypes.kernel / 0.1, rtol=1e-12)
    names = ["hidden/kernel", "hidden/bias", "prototypes/kernel"]
    assert [v.path for v in head.variables] == [f"head/{name}" for name in (names if hidden else names[2:])]


def test_against_is_the_same_logits_with_the_gradient_of_all_but_the_prototypes_reversed(double):
    head, x = CosineHead(3, 4, 0.1), normal(6, 5)
    head(x)
    sources = [x, head.hidden.kernel.value, head.hidden.bias.value, head.prototypes.kernel.value]

    def look(logits):
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = logits(x)
            loss = tf.reduce_sum(tf.nn.softmax(values) ** 2)
        return values, tape.gradient(loss, sources)

    (plain, down), (values, found) = look(head), look(head.against)
    np.testing.assert_array_equal(values, plain)
    for sign, ours, theirs in zip((-1, -1, -1, 1), found, down, strict=True):
        np.testing.assert_allclose(ours, sign * theirs, rtol=1e-10, atol=1e-15)
        assert np.any(theirs)
