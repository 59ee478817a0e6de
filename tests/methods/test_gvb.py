"""GVB against its authors' code: every term, and the gradients of their sum."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny
from golden_tools import (
    FeatureNetwork,
    discriminator_layers,
    golden_fixture,  # noqa: F401
    heuristic_layers,
)

from tfuda.core import ops
from tfuda.methods.gvb import GVB


def bridged_layers(method) -> dict:
    """{PyTorch's name: Dense} of the discriminator."""
    return {f"D_{key}": layer for key, layer in {**discriminator_layers(method), "gvbd": method.bridge}.items()}


def released(file) -> tuple[GVB, dict]:
    """The method as the file ran it, and every layer by its name there."""
    coefficients = file["coeff_entropy"], file["coeff_grl"]

    class Fixed(GVB):
        def reversal(self, ahead=0):
            return tf.constant(coefficients[ahead], ops.real())

    inputs, classes = file["net_fc__weight"].shape[::-1]
    network = FeatureNetwork(GVB.head(classes), inputs)
    method = Fixed(network, hidden=len(file["D_ad_layer1__bias"]), dropout=0.0, ramp_ahead=1)
    layers = heuristic_layers(network.head, "net_fc", ["net_gvbg"]) | bridged_layers(method)
    file.assign("", layers)
    return method, layers


# ---- against the authors' code


@pytest.mark.golden
def test_every_term_and_the_gradients_of_their_sum(golden):
    file = golden("gvb_losses")
    method, layers = released(file)
    x, labels = tf.constant(file["x"]), tf.constant(file["y"])
    sources = len(labels)
    with tf.GradientTape() as tape:
        tape.watch(x)
        batch = {"source": {"image": x[:sources], "label": labels}, "target": {"image": x[sources:]}}
        batch, outputs = method.forward(batch)
        terms = method.terms(batch, outputs)
        total = method.total(terms)
    names = {"cls": "task", "transfer": "domain", "gvbg": "generator_bridge", "gvbd": "discriminator_bridge"}
    for key, name in names.items():
        file.equal(f"loss_{key}", terms[name])
    file.equal("loss_total", total)
    file.equal_gradients("grad_", tape, total, {"x": x}, layers)


@pytest.mark.golden
def test_logits_and_the_bridge_of_the_generator(golden):
    file = golden("gvb_losses")
    method, _ = released(file)
    x = tf.constant(file["x"])
    file.equal("logits", method(x))
    file.equal("bridge", method.network.head.heuristic(x))


@pytest.mark.golden
def test_the_discriminator_counts_one_step_ahead_of_the_entropy_weights(golden):
    file = golden("gvb_losses")
    method = GVB(FeatureNetwork(GVB.head(3), 5), hidden=4, ramp_steps=10000, ramp_ahead=1)
    method.step.assign(int(file["ad_iter"]) - 1)
    file.equal("coeff_grl", method.reversal(method.ramp_ahead))
    file.equal("coeff_entropy", method.reversal())


# ---- without files


def game(method) -> tuple[dict, dict]:
    batch = {
        "source": {"image": tf.random.stateless_normal([6, 5], [0, 1]), "label": tf.constant([0, 1, 2] * 2)},
        "target": {"image": tf.random.stateless_normal([4, 5], [0, 2])},
    }
    if method.streams["source"] > 1:
        batch["source"]["domain"] = tf.constant([0, 1] * 3)
    return method.forward(batch)


def small(**options) -> GVB:
    keras.utils.set_random_seed(0)
    return GVB(FeatureNetwork(GVB.head(3), 5), hidden=4, dropout=0.0, **options)


def test_a_verdict_is_the_difference_of_two_readings_of_one_trunk():
    method = small()
    batch, outputs = game(method)
    terms = method.align(batch, outputs)
    verdicts, bridges = [], []
    for name in ("source", "target"):
        x = tf.nn.softmax(outputs[name].logits)
        for layer in method.discriminator.layers[:-1]:
            x = layer(x)
        bridges.append(method.bridge(x)[:, 0])
        verdicts.append(method.discriminator.layers[-1](x)[:, 0] - bridges[-1])
    wrong = [tf.nn.softplus(-verdicts[0]), tf.nn.softplus(verdicts[1])]
    weights = [method.confidence(outputs[name]) for name in outputs]
    expected = sum(tf.reduce_sum(w * e) / tf.reduce_sum(w) for w, e in zip(weights, wrong)) / 2
    assert float(terms["domain"]) == pytest.approx(float(expected), rel=1e-5)
    assert float(terms["discriminator_bridge"]) == pytest.approx(np.abs(np.concatenate(bridges)).mean(), rel=1e-5)


def test_the_discriminator_shrinks_its_bridge_and_the_features_stretch_it():
    class Whole(GVB):
        def reversal(self, ahead=0):
            return tf.constant(0.25, ops.real())

    keras.utils.set_random_seed(0)
    method = Whole(FeatureNetwork(Whole.head(3), 5), hidden=4, dropout=0.0)
    batch, outputs = game(method)
    logits = outputs["source"].logits
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        reversed_bridge = method.align(batch, outputs)["discriminator_bridge"]
        x = tf.nn.softmax(logits)
        for layer in method.discriminator.layers[:-1]:
            x = layer(x)
        plain = tf.reduce_sum(tf.abs(method.bridge(x))) / 10  # a mean over 6 + 4 images
    np.testing.assert_allclose(
        tape.gradient(reversed_bridge, logits), -0.25 * tape.gradient(plain, logits), rtol=1e-4, atol=1e-9
    )


def test_a_bridge_without_a_trade_off_stays_and_is_not_punished():
    method = small(trade_offs={"discriminator_bridge": 0.0})
    terms = method.terms(*game(method))
    rest = sum(float(value) for name, value in terms.items() if not name.startswith("discriminator"))
    assert float(method.total(terms)) == pytest.approx(rest, rel=1e-6)
    assert float(terms["discriminator_bridge"]) > 0


def test_several_sources_give_every_output_a_bridge():
    method = small(streams={"source": 2, "target": 1})
    assert method.width == method.bridge.units == 3
    assert all(np.isfinite(float(value)) for value in method.terms(*game(method)).values())


@pytest.mark.slow
def test_labelled_target_images_make_a_third_domain():
    method = tiny.train(tiny.config("gvb", task="M-S", shots=1, steps=2, segment=2))
    assert method.width == 3
    assert all(np.isfinite(float(meter.result())) for meter in method.meters.values())


def test_a_network_without_a_bridge_is_refused():
    with pytest.raises(ValueError, match="needs a network whose head has a heuristic"):
        GVB(FeatureNetwork(keras.layers.Dense(3), 5), hidden=4)
