"""MME and ENT against an independent reference: terms, gradients, and the two updates of a step."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import (
    FeatureNetwork,
    golden_fixture,  # noqa: F401
)

from tfuda.core import optimizers
from tfuda.experiment import cells
from tfuda.methods.ent import ENT
from tfuda.methods.mme import MME
from tfuda.networks.heads import CosineHead

KINDS = {"ent": ENT, "mme": MME}
TERMS = {"ent": "entropy", "mme": "minimax"}
every_kind = pytest.mark.parametrize("name", KINDS)


def of_file(file, name, **options):
    """A method with the file's weights."""
    head = CosineHead(len(file["W2"]), len(file["W1"]), float(file.arrays["T"]))
    options = {"trade_offs": {TERMS[name]: float(file.arrays["lam"])}, **options}
    method = KINDS[name](FeatureNetwork(head, file["W1"].shape[1]), **options)
    head.hidden.set_weights([file["W1"].T, file["b1"]])
    head.prototypes.set_weights([file["W2"].T])
    return method


@pytest.mark.golden
@every_kind
def test_the_unlabelled_images_term_and_its_gradients(golden, name):
    file = golden("mme")
    method, features = of_file(file, name), tf.constant(file["f_unlabelled"])
    head = method.network.head
    sources = [features, *(v.value for v in (head.hidden.kernel, head.hidden.bias, head.prototypes.kernel))]
    with tf.GradientTape() as tape:
        tape.watch(features)
        batch, outputs = method.forward({"target": {"image": features}})
        terms = {**method.align(batch, outputs), **method.beside(batch, outputs)}
        total = method.total(terms)
    assert terms.keys() == {TERMS[name]}
    file.equal("logits_unlabelled", outputs["target"].logits)
    file.equal(name, total)
    for key, gradient in zip(("f_unlabelled", "W1", "b1", "W2"), tape.gradient(total, sources), strict=True):
        gradient = gradient * file["eta"] if name == "mme" and key != "W2" else gradient  # ours reverses by 1
        file.equal_gradient(f"grad_{name}_{key}", tf.transpose(gradient) if key[0] == "W" else gradient)


@pytest.mark.golden
@every_kind
def test_the_labelled_images_cross_entropy(golden, name):
    """One stream, or source and labelled target of together as many."""
    file = golden("mme")
    method, half = of_file(file, name), len(file["y"]) // 2
    streams = {"source": slice(half), "target_labelled": slice(half, None)}
    batch = {key: {"image": file["f_labelled"][rows], "label": file["y"][rows]} for key, rows in streams.items()}
    batch = tf.nest.map_structure(tf.constant, batch)
    batch, outputs = method.forward(batch)
    file.equal("logits_labelled", tf.concat([outputs[key].logits for key in streams], 0))
    file.equal("ce", method.task(batch, outputs)["task"])


# ---- whole steps

RATE, DECAY, MOMENTUM, TEMPERATURE, FACTOR = 0.02, 0.03, 0.9, 0.2, 0.4


def small(name, **options):
    """A method behind a backbone of one layer; labelled and unlabelled images."""
    keras.utils.set_random_seed(2)
    head = CosineHead(3, 4, TEMPERATURE)
    options = {"trade_offs": {TERMS[name]: FACTOR}, **options}
    method = KINDS[name](FeatureNetwork(head, 5, hidden=6), **options)
    method.compile(optimizers.SGD(RATE, lambda path: (1.0, MOMENTUM), DECAY))
    rng = np.random.default_rng(0)
    batch = {
        "source": {"image": tf.constant(rng.normal(size=[6, 5])), "label": tf.constant([0, 1, 2, 0, 1, 2])},
        "target_labelled": {"image": tf.constant(rng.normal(size=[2, 5])), "label": tf.constant([2, 0])},
        "target": {"image": tf.constant(rng.normal(size=[4, 5]))},
    }
    variables = [method.network.body.kernel, method.network.body.bias, head.hidden.kernel, head.hidden.bias]
    return method, batch, [*variables, head.prototypes.kernel]


def logits(images, p):
    h = tf.nn.relu(images @ p[0] + p[1]) @ p[2] + p[3]
    return h / tf.norm(h, axis=1, keepdims=True) @ p[4] / TEMPERATURE


def slopes(name, batch, p) -> tuple[list, list]:
    """Gradients at weights p of the cross-entropy, and of the weighted game with MME's signs."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(p)
        both = [batch["source"], batch["target_labelled"]]
        z = tf.nn.log_softmax(logits(tf.concat([stream["image"] for stream in both], 0), p))
        task = -tf.reduce_mean(tf.gather(z, tf.concat([stream["label"] for stream in both], 0), batch_dims=1))
        q = tf.nn.softmax(logits(batch["target"]["image"], p))
        entropy = -FACTOR * tf.reduce_mean(tf.reduce_sum(q * tf.math.log(q + 1e-5), 1))
    down = tape.gradient(entropy, p)
    return tape.gradient(task, p), [*down[:4], -down[4] if name == "mme" else down[4]]


def update(p, v, gradients):
    for i, slope in enumerate(gradients):
        g = slope + DECAY * p[i]
        v[i] = MOMENTUM * v[i] + g
        p[i] = p[i] - RATE * (g + MOMENTUM * v[i])


@every_kind
@pytest.mark.parametrize("alternating", [True, False])
def test_two_steps_end_where_the_reference_ends(double, name, alternating):
    """Two updates a step, the second by the weights of the first; or one on the sum."""
    method, batch, variables = small(name, alternating=alternating)
    p = [tf.identity(v.value) for v in variables]
    v = [tf.zeros_like(x) for x in p]
    for _ in range(2):
        if alternating:
            update(p, v, slopes(name, batch, p)[0])
            update(p, v, slopes(name, batch, p)[1])
        else:
            update(p, v, [a + b for a, b in zip(*slopes(name, batch, p), strict=True)])
        noted = method.train_step(batch)
    for variable, expected in zip(variables, p, strict=True):
        np.testing.assert_allclose(variable, expected, rtol=1e-9, atol=1e-13)
    assert int(method.optimizer.iterations.numpy()) == (4 if alternating else 2)
    assert noted.keys() >= {"task", TERMS[name]}


@pytest.mark.parametrize("alternating", [True, False])
def test_which_images_take_part_in_which_turn(alternating):
    seen = []

    class Watched(MME):
        def forward(self, batch):
            seen.append([*batch])
            return super().forward(batch)

    method, batch, _ = small("mme")
    method = Watched(method.network, alternating=alternating)
    method.compile(optimizers.SGD(RATE))
    method.train_step(tf.nest.map_structure(lambda x: tf.cast(x, "float32") if x.dtype.is_floating else x, batch))
    labelled, rest = ["source", "target_labelled"], ["target"]
    assert seen == ([labelled, rest] if alternating else [[*batch]])


def test_the_head_s_options():
    plain = MME.head(3, {**MME.options(), "hidden": 0, "temperature": 0.5})
    x = tf.constant([[3.0, 4.0]])
    expected = tf.constant([[0.6, 0.8]]) @ (plain(x), plain.prototypes.kernel.value)[1] / 0.5
    np.testing.assert_allclose(plain(x), expected, rtol=1e-6)
    assert plain.hidden is None and len(plain.trainable_variables) == 1
    assert MME.head(3).hidden.units == 512 and MME.head(3).temperature == 0.05
    assert cells.parse_cell("mme[alternating=False;temperature=0.1]").options.temperature == 0.1


def test_a_feature_of_length_zero_gives_finite_gradients():
    head = CosineHead(3, 0, 0.05)
    method = MME(FeatureNetwork(head, 4), hidden=0)
    features = tf.constant([[0.0] * 4, [1, 0, 2, 0]])
    with tf.GradientTape() as tape:
        tape.watch(features)
        batch, outputs = method.forward({"target": {"image": features}})
        loss = method.total(method.align(batch, outputs))
    np.testing.assert_array_equal(outputs["target"].logits[0], 0)
    gradients = tape.gradient(loss, [features, head.prototypes.kernel.value])
    assert all(np.isfinite(gradient).all() for gradient in gradients)


@every_kind
def test_a_run_with_labelled_target_images_counts_whole_steps(name, eager):
    method = tiny.train(tiny.config(name, shots=1, steps=2))
    assert int(method.step.numpy()) == 2 and int(method.optimizer.iterations.numpy()) == 4
