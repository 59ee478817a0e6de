"""The other backbones: what they say of themselves, and that they need no network."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfuda.networks.applications import applications
from tfuda.networks.base import Network
from tfuda.networks.layers import freeze
from tfuda.networks.lenet import lenet
from tfuda.networks.mnist import mnist


def images(side, count=2):
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3)).astype("uint8")


def shapes(network):
    return [tuple(map_.shape) for map_ in network(images(network.size[0])).maps]


def kernels(stages):
    return [tuple(v.shape) for stage in stages for v in stage.trainable_variables if "kernel" in v.path]


# ---- for digits


@pytest.mark.parametrize("size, dense", [(28, 400_500), (32, 625_500)])
def test_lenet_has_one_position_left_before_its_classifier(size, dense):
    network = Network(lenet(size), 10, (size, size))
    assert shapes(network) == [(2, size - 4, size - 4, 20), (2, size // 2 - 6, size // 2 - 6, 50), (2, 1, 1, 500)]
    assert [stage.count_params() for stage in network.stages] == [1_520, 25_050, dense]


def test_the_dense_layer_of_lenet_is_dense():
    stages = lenet(28)
    network = Network(stages, 10, (28, 28))
    before = network(images(28)).maps[1]  # [2, 8, 8, 50]
    kernel, bias = stages[2].get_layer("dense").get_weights()
    flat = np.reshape(tf.nn.max_pool2d(before, 2, 2, "VALID"), (2, -1))  # [2, 4 * 4 * 50]
    wanted = np.maximum(flat @ kernel.reshape(-1, 500) + bias, 0)
    np.testing.assert_allclose(network(images(28)).features, wanted, rtol=1e-4, atol=1e-5)


def test_lenet_refuses_images_that_leave_no_map():
    with pytest.raises(ValueError, match="size=15: LeNet needs images of 16 × 16 at least"):
        lenet(15)
    assert shapes(Network(lenet(16), 10, (16, 16)))[-1] == (2, 1, 1, 500)


def test_mnist_gives_a_map_for_each_of_the_first_three_convolutions():
    stages = mnist()
    network = Network(stages, 10, (32, 32))
    assert shapes(network) == [(2, 32, 32, 64), (2, 16, 16, 128), (2, 8, 8, 256)]
    assert kernels(stages) == [(5, 5, 3, 64), (5, 5, 64, 128), (5, 5, 128, 256)]
    assert all(np.min(map_) == 0 for map_ in network(images(32)).maps)  # after the ReLU


def test_the_head_of_mnist_is_a_fourth_convolution():
    network = Network(mnist((4, 6, 8)), 10, (32, 32))
    kernel, bias = network.head.get_weights()
    out = network(images(32))
    convolved = tf.nn.conv2d(out.maps[-1], kernel[None, None], 1, "VALID") + bias  # [2, 8, 8, 10]
    np.testing.assert_allclose(out.logits, np.mean(convolved, (1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("make", [lenet, mnist])
def test_names_say_backbone_and_are_the_same_again(make):
    pair = [[v.path for v in Network(make(), 3, (32, 32)).variables if "head" not in v.path] for _ in range(2)]
    one, two = ([path[path.index("backbone_") :] for path in paths] for paths in pair)
    assert one == two and len(set(one)) == len(one)


# ---- keras.applications


@pytest.mark.slow
@pytest.mark.parametrize(
    "model, preprocess, width",
    [
        ("ResNet50", keras.applications.resnet.preprocess_input, 2048),
        ("MobileNet", keras.applications.mobilenet.preprocess_input, 1024),
        ("MobileNetV3Small", keras.applications.mobilenet_v3.preprocess_input, 576),
    ],
)
def test_applications_bring_their_own_preprocessing(model, preprocess, width):
    (stage,) = applications(model)
    found = Network([stage], 3, (64, 64))(images(64)).maps[0]
    assert found.shape == (2, 2, 2, width)
    np.testing.assert_array_equal(found, stage.layers[-1](preprocess(images(64).astype("f4"))))
    assert all(v.path.startswith("backbone_0/") for v in stage.variables)


def test_weights_of_applications_come_from_a_file(tmp_path):
    path, model = str(tmp_path / "a.weights.h5"), "MobileNetV3Small"
    origin = keras.applications.MobileNetV3Small(include_top=False, weights=None)
    origin.save_weights(path)
    (stage,) = applications(model, weights=path)
    for ours, theirs in zip(stage.weights, origin.weights):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match=r"a\.weights\.h5 does not hold the weights of MobileNet without classifier"):
        applications("MobileNet", weights=path)
    (tmp_path / "b.h5").write_text("<html>")
    with pytest.raises(ValueError, match=r"b\.h5 does not hold the weights of MobileNet without classifier"):
        applications("MobileNet", weights=str(tmp_path / "b.h5"))


def test_a_deeper_network_is_not_taken_for_a_shallower_one(tmp_path):
    path = str(tmp_path / "a.weights.h5")
    keras.applications.MobileNetV3Large(include_top=False, weights=None).save_weights(path)
    with pytest.raises(ValueError, match="it holds 262 tensors, not 206"):
        applications("MobileNetV3Small", weights=path)


def test_wrong_names_of_applications_are_sentences():
    with pytest.raises(FileNotFoundError, match=r"weights=none\.h5: there is no such file"):
        applications(weights="none.h5")
    with pytest.raises(ValueError, match="has no 'ResNet5O', did you mean 'ResNet50'"):
        applications("ResNet5O")


def test_a_frozen_application_learns_nothing_and_keeps_its_statistics():
    network = Network(freeze(applications("MobileNet"), "all"), 3, (64, 64))
    assert len(network.trainable_variables) == 2
    np.testing.assert_array_equal(network(images(64), training=True).logits, network(images(64)).logits)
