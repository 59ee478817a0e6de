"""DANNP against ToAlign's code, whose files hold it: ToAlign is DANNP on other source features."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_tools import (
    FeatureNetwork,
    at_coefficient,
    discriminator_layers,
    golden_fixture,  # noqa: F401
)

from tfuda.methods.dannp import DANNP
from tfuda.networks.base import Outputs


@pytest.mark.golden
@pytest.mark.parametrize("tag", ["noent_", "ent_"])
def test_domain_loss_on_given_outputs_without_a_weigher(golden, tag):
    """ToAlign's f_p as ordinary source features; gradients of the target and of the discriminator."""
    file = golden("toalign_fpos")
    head = keras.layers.Dense(len(file["net_fc__bias"]))
    network = FeatureNetwork(head, file["f_s"].shape[1])
    kind = at_coefficient(DANNP, file["coeff"])
    method = kind(network, hidden=len(file["D_ad_layer1__bias"]), dropout=0.0, entropic=tag == "ent_")
    layers = {f"D_{key}": layer for key, layer in discriminator_layers(method).items()}
    file.assign("", {"net_fc": head, **layers})
    f_t = tf.constant(file["f_t"])
    batch = {"source": {"image": file["f_pos"]}, "target": {"image": f_t}}
    with tf.GradientTape() as tape:
        tape.watch(f_t)
        outputs = {
            "source": Outputs((), tf.constant(file["f_pos"]), tf.constant(file["logits_pos"])),
            "target": Outputs((), f_t, head(f_t)),
        }
        loss = method.align(batch, outputs)["domain"]
    file.equal(f"{tag}loss", loss)
    file.equal_gradients(f"{tag}grad_", tape, loss, {"f_t": f_t}, layers)


def test_the_discriminator_sees_probabilities_that_are_not_detached():
    method = DANNP(FeatureNetwork(keras.layers.Dense(3), 5), hidden=4)
    logits = tf.random.stateless_normal([2, 3], [0, 1])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        view = method.view(Outputs((), tf.zeros([2, 5]), logits))
    np.testing.assert_allclose(view, tf.nn.softmax(logits), rtol=1e-6)
    assert np.abs(tape.gradient(view, logits, logits)).max() > 0
    assert method.discriminator.layers[0].kernel.shape[0] == 3
