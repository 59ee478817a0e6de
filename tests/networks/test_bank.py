"""The bank against a loop over plain discriminators and a tape of its own for every member."""

import numpy as np
import pytest
import tensorflow as tf

from tfuda.networks import discriminators
from tfuda.networks.bank import ACTIVATIONS, Bank

KEYS = ("w1", "b1", "w2", "b2", "w3", "b3")


@pytest.fixture(autouse=True)
def double():
    import keras

    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def bank(members, dropout=0.0, activation="relu", inputs=5, hidden=7):
    made = Bank(members, inputs, hidden, dropout, activation)
    rng = np.random.default_rng(0)
    for key in ("b1", "b2", "b3"):
        weight = getattr(made, key)
        weight.assign(rng.normal(size=weight.shape))
    return made


def one(made, m, x, masks):
    """Member m on x [B, d], layer by layer, with dropout's masks of that member: [B]."""
    act = ACTIVATIONS[made.activation][0]
    a = act(x @ made.w1[m] + made.b1[m]) * masks[0]
    a = act(a @ made.w2[m] + made.b2[m]) * masks[1]
    return tf.linalg.matvec(a, made.w3[m]) + made.b3[m]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("shared", [True, False])
def test_values_jacobian_and_gradients_are_those_of_a_loop(activation, dropout, shared, monkeypatch):
    made = bank(3, dropout, activation)
    x = tf.constant(np.random.default_rng(1).normal(size=[1 if shared else 3, 4, 5]))
    drawn = made.masks(x, training=True)
    monkeypatch.setattr(made, "masks", lambda x, training: drawn)
    sources = [getattr(made, key).value for key in KEYS]

    def score(logits, jacobian):  # of a second-order kind, as GSDA's is
        return tf.reduce_sum(tf.sin(logits)) + tf.reduce_sum(tf.norm(jacobian, axis=-1) * tf.sigmoid(logits))

    with tf.GradientTape() as tape:
        tape.watch(x)
        logits, jacobian = made.judge(x, training=True)
        value = score(logits, jacobian)
    found = tape.gradient(value, [x, *sources])
    with tf.GradientTape() as tape:
        tape.watch(x)
        rows, slopes = [], []
        for m in range(3):
            mine = x[0 if shared else m]
            masks = [mask if isinstance(mask, float) else mask[m] for mask in drawn]
            with tf.GradientTape() as inner:
                inner.watch(mine)
                verdict = one(made, m, mine, masks)
            rows.append(verdict)
            slopes.append(inner.gradient(verdict, mine))
        value = score(tf.stack(rows), tf.stack(slopes))
    expected = tape.gradient(value, [x, *sources])
    np.testing.assert_allclose(logits, tf.stack(rows), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(made(x, training=True), tf.stack(rows), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(jacobian, tf.stack(slopes), rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def test_dropout_draws_for_every_member_and_not_in_evaluation():
    made, x = bank(3, 0.5), tf.ones([1, 200, 5], tf.float64)
    m1, m2 = made.masks(x, training=True)
    assert m1.shape == m2.shape == (3, 200, 7) and set(np.unique(m1)) == {0.0, 2.0}
    assert 0.4 < (m1[0].numpy() != m1[1].numpy()).mean() < 0.6 and (m1.numpy() != m2.numpy()).any()
    assert made.masks(x, training=False) == (1.0, 1.0)


def test_members_start_unlike_each_other_with_the_spread_of_a_single_layer():
    made = Bank(4, 300, 200)
    w1, w3 = made.w1.numpy(), made.w3.numpy()
    assert np.abs(np.corrcoef(w1.reshape(4, -1)) - np.eye(4)).max() < 0.05
    assert w1.std() == pytest.approx((2 / 300) ** 0.5, rel=0.02)
    assert w3.std() == pytest.approx((2 / 200) ** 0.5, rel=0.1)
    drawn = discriminators.stacked("xavier", 300, 200)((50, 300, 200)).numpy()
    assert drawn.std() == pytest.approx((2 / 500) ** 0.5, rel=0.02)


def nodes(members):
    made = Bank(members, 5, 7, 0.5)

    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            logits, jacobian = made.judge(x, training=True)
            value = tf.reduce_sum(logits) + tf.reduce_sum(jacobian**2)
        return tape.gradient(value, [getattr(made, key).value for key in KEYS])

    graph = run.get_concrete_function(tf.zeros([1, 4, 5], tf.float64)).graph.as_graph_def()
    return len(graph.node) + sum(len(f.node_def) for f in graph.library.function)


def test_the_graph_is_as_large_for_two_members_as_for_many():
    assert nodes(60) == nodes(400)


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match="unknown activation 'gelu': choose relu, tanh, softplus"):
        Bank(2, 3, 4, activation="gelu")
