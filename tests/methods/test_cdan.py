"""CDAN and CDAN+E against the authors' code, and its DANN, which has CDAN's counters and logarithm."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import (
    FeatureNetwork,
    discriminator_layers,
    golden_fixture,  # noqa: F401
    halves,
)

from tfuda.core import losses
from tfuda.methods.cdan import CDAN
from tfuda.methods.cdane import CDANE
from tfuda.methods.dann import DANN
from tfuda.networks.base import Outputs

KINDS = {"dann_": DANN, "cdan_": CDAN, "cdane_": CDANE, "cdan_rand_": CDAN, "cdane_rand_": CDANE}

# The released code clamps the logarithm where it would overflow: no epsilon. Its ramp ends at 10000 steps, and the
# discriminator counts a step before it looks at its ramp.
RELEASED = {"epsilon": 0.0, "ramp_steps": 10000, "ramp_ahead": 1}


def released(file, tag) -> tuple[DANN, dict]:
    """The method as the file ran it, and the layers of its discriminator."""
    classes, features = file["logits"].shape[1], file["features"].shape[1]
    options = {**RELEASED, "hidden": len(file[f"{tag}D_ad_layer1__bias"]), "dropout": 0.0}
    if "rand" in tag:
        options["randomized"] = file[f"{tag}Rf"].shape[1]
    method = KINDS[tag](FeatureNetwork(keras.layers.Dense(classes), features), **options)
    for i, key in enumerate(("Rf", "Rg") if "rand" in tag else ()):
        method.maps[i].assign(file[tag + key])
    method.step.assign(int(file["ad_iter"]) - 1)
    layers = {f"D_{key}": layer for key, layer in discriminator_layers(method).items()}
    file.assign(tag, layers)
    return method, layers


@pytest.mark.golden
@pytest.mark.parametrize("tag", KINDS)
def test_domain_loss_and_its_gradients(golden, tag):
    """Only CDAN+E's weights send a gradient to the logits; the conditioning is detached."""
    file = golden("cdan_losses")
    method, layers = released(file, tag)
    inputs = {key: tf.constant(file[key]) for key in ("features", "logits")}
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        loss = method.align(*halves(inputs["features"], *inputs.values()))["domain"]
    file.equal(f"{tag}loss", loss)
    file.equal_gradients(f"{tag}grad_", tape, loss, inputs, layers)


@pytest.mark.golden
@pytest.mark.parametrize("tag", KINDS)
def test_the_discriminator_counts_one_step_ahead_of_the_entropy_weights(golden, tag):
    file = golden("cdan_losses")
    method, _ = released(file, tag)
    file.equal("coeff_grl", method.reversal(method.ramp_ahead))
    file.equal("coeff_entropy", method.reversal())


@pytest.mark.golden
@pytest.mark.parametrize(
    ("tag", "key"),
    [
        ("cdan_", "cdan_map"),
        ("cdane_", "cdan_map"),
        ("cdan_rand_", "cdan_rand_map"),
        ("cdane_rand_", "cdane_rand_map"),
    ],
)
def test_the_view_is_the_outer_product_class_by_class_or_its_random_map(golden, tag, key):
    file = golden("cdan_losses")
    method, _ = released(file, tag)
    outputs = Outputs((), tf.constant(file["features"]), tf.constant(file["logits"]))
    file.equal(key, method.view(outputs))


@pytest.mark.golden
def test_entropy(golden):
    file = golden("cdan_losses")
    file.equal("entropy", losses.entropy(tf.constant(file["logits"])))


def test_the_random_maps_are_kept_but_not_trained():
    method = CDAN(FeatureNetwork(keras.layers.Dense(3), 5), hidden=4, randomized=8)
    assert [tuple(random_map.shape) for random_map in method.maps] == [(5, 8), (3, 8)]
    paths = [variable.path for variable in method.non_trainable_variables]
    assert all(random_map.path in paths for random_map in method.maps)
    assert all(np.std(random_map) > 0 for random_map in method.maps)


def test_cdane_without_entropy_is_cdan():
    batch, outputs = halves(tf.zeros([4, 5]), tf.ones([4, 5]), tf.random.stateless_normal([4, 3], [0, 1]))
    values = []
    for kind, options in ((CDAN, {}), (CDANE, {"entropic": False}), (CDANE, {})):
        keras.utils.set_random_seed(0)
        method = kind(FeatureNetwork(keras.layers.Dense(3), 5), hidden=4, dropout=0.0, **options)
        values.append(float(method.align(batch, outputs)["domain"]))
    assert values[0] == values[1] != values[2]
