"""DANN against the released code of ToAlign's repository: one loss, and three steps of training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import (
    FeatureNetwork,
    at_coefficient,
    discriminator_layers,
    equal_steps,
    golden_fixture,  # noqa: F401
    halves,
)

from tfuda.core import schedules
from tfuda.methods.dann import DANN

# ---- against the authors' code


@pytest.mark.golden
@pytest.mark.parametrize("tag", ["noent_", "ent_"])
def test_domain_loss_and_its_gradients(golden, tag):
    """Without entropy weights no gradient reaches the logits; with them it does, reversed."""
    file = golden("uda_dann_loss")
    inputs = {key: tf.constant(file[key]) for key in ("features", "logits")}
    classes, hidden = inputs["logits"].shape[1], len(file["D_ad_layer1__bias"])
    network = FeatureNetwork(keras.layers.Dense(classes), inputs["features"].shape[1])
    kind = at_coefficient(DANN, file["coeff"])
    method = kind(network, hidden=hidden, dropout=0.0, entropic=tag == "ent_")
    layers = {f"D_{key}": layer for key, layer in discriminator_layers(method).items()}
    file.assign("", layers)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = method.align(*halves(inputs["features"], *inputs.values()))["domain"]
    file.equal(f"{tag}loss", loss)
    file.equal_gradients(f"{tag}grad_", tape, loss, inputs, layers)


@pytest.mark.golden
def test_whole_steps_of_training(golden):
    """Rate, reversal coefficient, gradients, and every parameter after every step of the optimizer."""
    file = golden("uda_dann_steps")
    hidden, inputs = file["init_net_bb__weight"].shape
    network = FeatureNetwork(keras.layers.Dense(len(file["init_net_fc__bias"])), inputs, hidden)
    method = DANN(
        network,
        steps=int(file["ttl"]),
        trade_offs={"domain": float(file["w_alg"])},
        entropic=bool(file["ent"]),
        hidden=len(file["init_D_ad_layer1__bias"]),
        dropout=0.0,
    )
    equal_steps(file, method, {"net_bb": network.body, "net_fc": network.head})


# ---- without files


def small(**options) -> DANN:
    keras.utils.set_random_seed(0)
    return DANN(FeatureNetwork(keras.layers.Dense(3), 5), hidden=4, dropout=0.0, **options)


def some_halves(images=6):
    features = tf.random.stateless_normal([images, 5], [0, 1])
    return halves(features, features, tf.random.stateless_normal([images, 3], [0, 2]))


def test_the_discriminator_descends_and_the_features_ascend():
    """The gradient of the features is reversed and scaled, that of the discriminator is not."""
    gradients = {}
    for coefficient in (1.0, 0.25):
        keras.utils.set_random_seed(0)
        network = FeatureNetwork(keras.layers.Dense(3), 5)
        method = at_coefficient(DANN, coefficient)(network, hidden=4, dropout=0.0)
        batch, outputs = some_halves()
        features = outputs["source"].features
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(features)
            loss = method.align(batch, outputs)["domain"]
            plain = 0.5 * tf.reduce_mean(tf.nn.softplus(-method.discriminator(features)))
        kernel = method.discriminator.layers[0].kernel.value
        gradients[coefficient] = tape.gradient(loss, [features, kernel])
        np.testing.assert_allclose(
            gradients[coefficient][0], -coefficient * tape.gradient(plain, features), rtol=1e-5, atol=1e-8
        )
    np.testing.assert_array_equal(gradients[1.0][1], gradients[0.25][1])


def test_scale_is_the_factor_on_the_sum_of_both_domains():
    """1/2, as the released codes have it, against the paper's 1."""
    half, whole = (float(small(scale=s).align(*some_halves())["domain"]) for s in (0.5, 1.0))
    assert whole == pytest.approx(2 * half)


def test_more_than_one_output_is_a_softmax_over_domains():
    method = small(width=2)
    batch, outputs = some_halves()
    verdicts = {name: method.judge(outputs[name]) for name in outputs}
    wrong = [tf.nn.log_softmax(verdicts[name])[:, label] for name, label in method.domains.items()]
    expected = -0.5 * sum(map(tf.reduce_mean, wrong))
    assert float(method.align(batch, outputs)["domain"]) == pytest.approx(float(expected))


def test_the_reversal_ramps_over_the_run_or_over_a_horizon_of_its_own():
    for options, horizon in (({"steps": 80}, 80), ({"steps": 80, "ramp_steps": 500}, 500)):
        method = small(**options)
        method.step.assign(20)
        for ahead in (0, 1):
            expected = float(schedules.ramp((20 + ahead) / horizon))
            assert float(method.reversal(ahead)) == pytest.approx(expected, rel=1e-6)


def test_a_subclass_cannot_hide_what_keras_models_have():
    with pytest.raises(TypeError, match=r"Mine\.losses hides keras\.Model\.losses"):

        class Mine(DANN):
            losses = 1
