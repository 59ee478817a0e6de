"""ToAlign on HDA: whole steps against the authors' code, its three settings, and heads of a user's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import (
    FeatureNetwork,
    equal_steps,
    golden_fixture,  # noqa: F401
    heuristic_layers,
)

from tfuda.core import losses
from tfuda.experiment import build
from tfuda.methods.hda import HDA
from tfuda.networks.base import Outputs
from tfuda.weighers.toalign import ToAlign

SETTINGS = {"uda": {}, "msda": {"two_way": True, "streams": {"source": 5, "target": 1}}}


# ---- against the authors' code


@pytest.mark.golden
@pytest.mark.parametrize("setting", SETTINGS)
def test_whole_steps_of_training(golden, setting):
    """Rate, reversal coefficient, gradients, and every parameter after every step of the optimizer."""
    file = golden(f"toalign_hda_{setting}_steps")
    hidden, inputs = file["init_net_bb__weight"].shape
    network = FeatureNetwork(HDA.head(len(file["init_net_fc__bias"])), inputs, hidden)
    method = HDA(
        network,
        weigh=ToAlign(),
        steps=int(file["ttl"]),
        trade_offs={"domain": float(file["w_alg"])},
        entropic=bool(file["ent"]),
        hidden=len(file["init_D_ad_layer1__bias"]),
        dropout=0.0,
        pooled=setting == "msda" and not file["ent"],
        **SETTINGS[setting],
    )
    layers = heuristic_layers(network.head, "net_fc", [f"net_fc{j}" for j in range(3)])
    equal_steps(file, method, {"net_bb": network.body, **layers})


# ---- the three settings


TASKS = {"uda": {"task": "R-S"}, "msda": {"task": "H+M-S"}, "ssda": {"task": "R-S", "shots": 1}}


def outputs_of(cell, setting):
    """Method, batch and outputs of a first step."""
    made = tiny.config(cell, **TASKS[setting])
    made.options.dropout = 0.0
    task = build.task(made)
    method = build.method(made, task)
    return method, *method.forward(build.streams(made, task).load(0))


@pytest.mark.parametrize("setting", TASKS)
def test_confidence_reads_the_weighted_logits_and_the_heuristic_the_ordinary_features(setting):
    method, batch, outputs = outputs_of("hda+toalign", setting)
    seen = method.weigh(method.network, batch, outputs)
    terms = method.terms(batch, outputs)
    domain = 0.0
    for name in method.domains:
        confidence = tf.exp(-losses.entropy(seen[name].logits))
        verdict = method.discriminator(tf.nn.softmax(seen[name].logits))
        wrong = method.wrong(method.label(batch, name), verdict)
        domain += method.scale * np.average(wrong, weights=confidence)
    assert float(terms["domain"]) == pytest.approx(float(domain), rel=1e-5)
    z = np.concatenate([method.network.head.heuristic(stream.features) for stream in outputs.values()])
    assert float(terms["heuristic"]) == pytest.approx(method.strength * float(np.abs(z).mean()), rel=1e-5)
    assert not np.allclose(seen["source"].logits, outputs["source"].logits, rtol=1e-2)


def test_labelled_target_images_are_weighed_too_when_named():
    cell = 'hda+toalign[streams=("source","target_labelled")]'
    for word, oriented in (("hda+toalign", {"source"}), (cell, {"source", "target_labelled"})):
        method, batch, outputs = outputs_of(word, "ssda")
        seen = method.weigh(method.network, batch, outputs)
        assert {name for name in seen if seen[name] is not outputs[name]} == oriented


# ---- heads of a user's own


class Perceptron(keras.layers.Layer):
    """A hidden layer of its own."""

    def __init__(self):
        super().__init__()
        self.hidden, self.last = keras.layers.Dense(6, "tanh"), keras.layers.Dense(3)

    def call(self, features):
        return self.last(self.hidden(features))


class Cosine(keras.layers.Layer):
    """Cosines of the features with one direction per class, over a temperature."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 3), initializer="random_normal")

    def call(self, features):
        directions = self.kernel / tf.norm(self.kernel, axis=0)
        return features / tf.norm(features, axis=-1, keepdims=True) @ directions / 0.05


@pytest.mark.parametrize("kind", [Perceptron, Cosine, lambda: HDA.head(3)], ids=["mlp", "cosine", "hda"])
def test_any_head_is_weighed_as_its_jacobian_says(kind):
    """Values, and gradients of features and head, against equations 3 to 5 with every jacobian written out."""
    keras.utils.set_random_seed(0)
    network = FeatureNetwork(kind(), 5)
    f, label = tf.random.stateless_normal([4, 5], [0, 1]), tf.constant([2, 0, 1, 1])
    sources = [f, *(v.value for v in network.head.trainable_variables)]

    def by_toalign():
        outputs = {"source": Outputs((), f, network.head(f))}
        return ToAlign()(network, {"source": {"label": label}}, outputs)["source"]

    def by_hand():
        with tf.GradientTape() as tape:
            tape.watch(f)
            logits = network.head(f)
        jacobian = tape.jacobian(logits, f).numpy()  # [B, K, B, d]
        w = np.stack([jacobian[i, k, i] for i, k in enumerate(label.numpy())])
        s = tf.sqrt(tf.reduce_sum(f**2, 1) / tf.reduce_sum((w * f) ** 2, 1))
        seen = s[:, None] * w * f
        return Outputs((), seen, network.head(seen))

    found = []
    for way in (by_toalign, by_hand):
        with tf.GradientTape() as tape:
            tape.watch(f)
            seen = way()
            loss = tf.reduce_sum(tf.nn.softmax(seen.logits) ** 2) + tf.reduce_sum(seen.features**3)
        found.append([seen.features, seen.logits, *tape.gradient(loss, sources)])
    for ours, reference in zip(*found, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-4, atol=1e-5)
