"""The maps that a network shows: of its stages, of its blocks, or of all its activations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfuda.networks.base import SHOWN, Network
from tfuda.networks.efficientnet import efficientnet
from tfuda.networks.layers import freeze
from tfuda.networks.lenet import lenet
from tfuda.networks.mnist import mnist
from tfuda.networks.resnet import resnet
from tfuda.networks.small import small

NETWORKS = {
    "resnet50": (lambda: resnet(50), (5, 16, 48)),
    "resnet18": (lambda: resnet(18), (5, 8, 16)),
    "lite0": (lambda: efficientnet("lite0"), (9, 17, 48)),
    "small": (lambda: small((4, 6, 8), convolutions=2), (3, 3, 6)),
    "smooth": (lambda: small((4, 6), convolutions=3, norm=False, smooth=True), (2, 2, 6)),
    "lenet": (lambda: lenet(hidden=20), (3, 3, 3)),
    "mnist": (lambda: mnist((4, 6, 8)), (3, 3, 3)),
}
DEAR = pytest.param("resnet50", marks=pytest.mark.slow)
RESIDUAL = ["resnet18", DEAR]
PLAIN = [name for name in NETWORKS if not name.startswith(("resnet", "lite"))]  # whose stages are blocks, too
RNG = np.random.default_rng(0)
IMAGES = tf.constant(RNG.integers(0, 256, [2, 32, 32, 3]), "uint8")


@pytest.fixture(scope="module", params=[DEAR, *(name for name in NETWORKS if name != "resnet50")])
def shown(request):
    """(name, network, {mode: (outputs of training, all variables after it, outputs of evaluation)})."""
    keras.utils.set_random_seed(0)
    network = Network(NETWORKS[request.param][0](), 3, (32, 32))
    start, found = network.get_weights(), {}
    for mode in SHOWN:
        network.set_weights(start)
        network.shown = mode
        trained = network(IMAGES, training=True)
        found[mode] = trained, network.get_weights(), network(IMAGES, training=False)
    return request.param, network, found


def test_as_many_maps_as_there_are(shown):
    name, _, found = shown
    assert tuple(len(found[mode][0].maps) for mode in SHOWN) == NETWORKS[name][1]


def test_what_is_shown_changes_no_bit_of_the_network(shown):
    _, network, found = shown
    trained, weights, evaluated = found["stages"]
    for mode in SHOWN[1:]:
        others = found[mode]
        for one, other in ((trained, others[0]), (evaluated, others[2])):
            assert np.array_equal(one.logits, other.logits) and np.array_equal(one.features, other.features)
            assert np.array_equal(one.maps[-1], other.maps[-1])  # the backbone's
        assert all(np.array_equal(a, b) for a, b in zip(weights, others[1], strict=True))
    if any("moving_mean" in v.path for v in network.variables):
        assert np.any(trained.logits != evaluated.logits)  # so the mode of the call reached the batch norms


@pytest.mark.parametrize("name", ["small", "lenet", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_graphs_show_the_same_with_the_same_gradients(name):
    network, results = Network(NETWORKS[name][0](), 3, (32, 32)), {}
    for mode, count in zip(SHOWN, NETWORKS[name][1]):
        network.shown = mode

        @tf.function
        def step():
            with tf.GradientTape() as tape:
                outputs = network(IMAGES, training=True)
                loss = tf.reduce_sum(tf.square(outputs.logits))
            return outputs.maps, tape.gradient(loss, [v.value for v in network.trainable_variables])

        maps, results[mode] = step()
        assert len(maps) == count
    for mode in SHOWN[1:]:
        for one, other in zip(results["stages"], results[mode], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shown", PLAIN, indirect=True)
def test_layers_are_the_activations_of_a_plain_stack(shown):
    name, network, found = shown
    expected, x = [], tf.cast(IMAGES, "float32")
    for stage in network.stages:
        entry = inner = keras.Input(x.shape[1:])
        activations = []
        for layer in stage.layers:
            inner = layer(inner)
            activations += [inner] if ends_in_activation(layer) else []
        *maps, x = keras.Model(entry, [*activations, inner])(x, training=False)
        expected += maps
    for one, other in zip(found["layers"][2].maps, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        assert np.min(one) == 0 < np.max(one) or name == "smooth"


def ends_in_activation(layer):
    return isinstance(layer, keras.layers.Activation | keras.layers.ReLU) or layer.name in ("conv", "dense")


@pytest.mark.parametrize("shown", RESIDUAL, indirect=True)
def test_layers_are_the_activations_of_residual_blocks(shown):
    _, network, found = shown
    expected, blocks, x = [], [], network.stages[0](IMAGES, training=False)
    for stage in network.stages[1:]:
        for block in stage.layers:
            kept, inside = x if block.shortcut is None else block.shortcut(x, training=False), x
            for layer in block.body.layers:
                normal = isinstance(layer, keras.layers.BatchNormalization)
                inside = layer(inside, training=False) if normal else layer(inside)
                expected += [inside] if layer.name.startswith("relu") else []
            x = np.maximum(kept + inside, 0)
            expected.append(x)
            blocks.append(x)
    for mode, wanted in (("layers", expected), ("blocks", blocks)):
        for one, other in zip(found[mode][2].maps, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
            assert np.min(one) >= 0


def test_layers_are_the_activations_and_ends_of_inverted_blocks(shown):
    name, network, found = shown
    if not name.startswith("lite"):
        return
    expected, ends, x = [], [], network.stages[0](IMAGES, training=False)
    for stage in network.stages[1:-1]:
        for block in stage.layers:
            inside = x
            for layer in block.body.layers:
                normal = isinstance(layer, keras.layers.BatchNormalization)
                inside = layer(inside, training=False) if normal else layer(inside)
                expected += [inside] if layer.name.startswith("relu") else []
            x = x + inside if x.shape == inside.shape and block is not stage.layers[0] else inside
            expected.append(x)
            ends.append(x)
    last = network.stages[-1](x, training=False)
    for mode, wanted in (("layers", [*expected, last]), ("blocks", [*ends, last])):
        for one, other in zip(found[mode][2].maps, wanted, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_half_precision_and_frozen_stages_are_no_other_in_any_mode():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = Network(freeze(resnet(18), 3), 3, (32, 32))
        start, results = network.get_weights(), []
        for mode in SHOWN:
            network.set_weights(start)
            network.shown = mode
            results.append((network(IMAGES, training=True).logits.numpy(), network.get_weights()))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    frozen = len([v for stage in network.stages[:3] for v in stage.variables])
    for logits, weights in results:
        assert np.array_equal(logits, results[0][0])
        assert all(np.array_equal(a, b) for a, b in zip(weights, results[0][1]))
        same = [np.array_equal(a, b) for a, b in zip(weights, start)]
        assert all(same[:frozen]) and not all(same)


def test_what_a_network_cannot_show_is_named():
    with pytest.raises(ValueError, match="a network cannot show its 'convolutions': choose stages, blocks, layers"):
        Network(small((4,)), 3, (8, 8), shown="convolutions")
