"""Where the network looks: the maps that plots.cam draws, against their closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from pictures import assert_picture, config

from tfuda.experiment import training
from tfuda.experiment.workdir import Workdir
from tfuda.networks.base import Network
from tfuda.reports.plots import attention
from tfuda.weighers.biwaa import BIWAA

pytestmark = pytest.mark.usefixtures("few_digits")


def stages() -> list[keras.layers.Layer]:
    """[B, 24, 32, 3] -> [B, 6, 8, 4] -> [B, 4, 6, 6], of either sign."""
    first = keras.Sequential([keras.layers.Rescaling(1 / 127.5, -1.0), keras.layers.Conv2D(4, 4, 4)])
    return [first, keras.layers.Conv2D(6, 3)]


@pytest.fixture(scope="module", params=[0, 3], ids=["linear", "bottleneck"])
def network(request):
    keras.utils.set_random_seed(0)
    return Network(stages(), classes=5, size=(24, 32), bottleneck=request.param)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, [7, 24, 32, 3], "uint8")


def weights(network) -> np.ndarray:
    """dy/d pooled map [C, K]: of the head, behind the bottleneck if there is one."""
    head = network.head.kernel.numpy()
    return head if network.bottleneck is None else network.bottleneck.kernel.numpy() @ head


def test_grad_cam_of_pooling_and_a_linear_head_is_the_closed_form(network, images):
    outputs = network(images)
    maps, predicted = outputs.maps[-1].numpy(), outputs.logits.numpy().argmax(1)
    area = maps.shape[1] * maps.shape[2]
    alpha = weights(network)[:, predicted].T / area  # [B, C]
    expected = np.maximum(np.einsum("bc,bhwc->bhw", alpha, maps), 0)
    np.testing.assert_allclose(attention.look_at_maps(network, images).grad_cam, expected, rtol=1e-4, atol=1e-6)


def test_toaligns_map_is_the_sum_of_channels_weighed_by_the_labels_weights(network, images):
    labels = np.arange(7) % 5
    maps = network(images).maps[-1].numpy()
    expected = np.einsum("bc,bhwc->bhw", weights(network)[:, labels].T, maps)
    views = attention.look_at_maps(network, images, labels)
    np.testing.assert_allclose(views.positive, np.maximum(expected, 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(views.negative, np.maximum(-expected, 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(views.response, np.abs(maps).mean(-1), rtol=1e-5)


def test_without_labels_toaligns_map_is_that_of_the_prediction(network, images):
    predicted = network(images).logits.numpy().argmax(1)
    for of_none, of_predicted in zip(
        attention.look_at_maps(network, images), attention.look_at_maps(network, images, predicted), strict=True
    ):
        np.testing.assert_array_equal(of_none, of_predicted)


def test_toaligns_map_is_exact_for_a_nonlinear_head(images):
    """Its mean over the map is w^cls · f, with w^cls from ToAlign's own operation on the features."""
    head = keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dense(5)])
    net = Network(stages(), 5, (24, 32), head=head)
    outputs, labels = net(images), np.arange(7) % 5
    w = attention.ops.sensitivity(lambda f: tf.gather(net.head(f), labels, batch_dims=1), outputs.features)
    views = attention.look_at_maps(net, images, labels)
    means = (views.positive - views.negative).mean((1, 2))
    np.testing.assert_allclose(means, tf.reduce_sum(w * outputs.features, -1), rtol=1e-4, atol=1e-5)


def test_biwaas_map_is_the_sum_of_channels_weighed_by_the_gradient_of_the_cross_entropy(network, images):
    labels = np.arange(7) % 5
    outputs = network(images)
    gradient = (tf.nn.softmax(outputs.logits).numpy() - np.eye(5)[labels]) @ weights(network).T  # [B, C]
    w = gradient / np.linalg.norm(gradient, axis=1, keepdims=True)
    expected = np.einsum("bc,bhwc->bhw", np.abs(w), np.abs(outputs.maps[-1].numpy()))
    found = attention.look_at_maps(network, images, labels).weighted
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_biwaas_map_has_the_weights_of_its_weigher_with_a_nonlinear_head(images):
    head = keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dense(5)])
    net = Network(stages(), 5, (24, 32), head=head)
    outputs, labels = net(images), np.arange(7) % 5
    seen = BIWAA(1.0)(net, {"source": {"label": labels}}, {"source": outputs})["source"].features
    w = (seen / outputs.features).numpy()  # [B, C]
    expected = np.einsum("bc,bhwc->bhw", np.abs(w), np.abs(outputs.maps[-1].numpy()))
    found = attention.look_at_maps(net, images, labels).weighted
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_biwaas_map_of_a_sure_and_right_image_is_empty():
    maps = tf.ones([2, 3, 4, 5])
    gradients = tf.stack([tf.zeros([3, 4, 5]), tf.ones([3, 4, 5])])
    found = attention.weighted(maps, gradients).numpy()
    np.testing.assert_allclose(found, np.stack([np.zeros([3, 4]), np.full([3, 4], 5**0.5)]), rtol=1e-6)


def test_rows_are_of_right_and_wrong_predictions_and_of_many_classes():
    labels, predicted = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 1, 0, 0, 2])
    assert list(attention.choose(labels, predicted, 2, 2)) == [0, 2, 3, 4]
    assert list(attention.choose(labels, labels, 2, 2)) == [0, 2, 4, 1]
    assert list(attention.choose(labels, 1 - labels.clip(0, 1), 1, 1)) == [0, 2]
    assert list(attention.choose(None, predicted, 1, 1)) == [0, 1]


def test_an_overlay_is_of_the_images_size_and_brightest_where_the_map_is():
    view = np.zeros([4, 4], "float32")
    view[1, 2] = 2.0
    shown = attention.overlay(np.zeros([16, 16, 3], "uint8"), view, view.max())
    y, x = np.unravel_index(shown.sum(-1).argmax(), [16, 16])
    assert shown.shape == (16, 16, 3) and (y // 4, x // 4) == (1, 2)
    assert np.isfinite(attention.overlay(np.zeros([16, 16, 3], "uint8"), 0 * view, 0.0)).all()


@pytest.mark.slow
def test_cam_of_a_biwaa_run_shows_the_weighted_map_in_the_place_of_toaligns(eager, tmp_path, monkeypatch):
    training.train_run(config("dann+biwaa"), Workdir(tmp_path / "run"))
    loaded = training.load_run(tmp_path / "run")
    monkeypatch.setattr(training, "load_run", lambda path: loaded)
    rows, row = [], attention.row
    monkeypatch.setattr(attention, "row", lambda axes, *given: (row(axes, *given), rows.append((axes, *given))))
    attention.cam("run", tmp_path / "x.png")
    titles = [axes.get_title() for axes in rows[0][0]]
    assert titles == ["image", "response of the\nlast map", "Grad-CAM,\npredicted class", "weighted\n(BIWAA)"]
    axes, image, views, _ = rows[0]  # of the source, so its label counts
    domain = loaded[1].tests["source"]
    (index,) = [i for i in range(len(domain)) if np.array_equal(domain.images[i], image)]
    view = attention.look_at_maps(loaded[2].network, domain.images[[index]], domain.labels[[index]]).weighted[0]
    np.testing.assert_allclose(views.weighted, view, rtol=1e-4, atol=1e-5)
    drawn = axes[3].images[0].get_array()
    np.testing.assert_allclose(drawn, attention.overlay(image, view, view.max()), atol=0.01)
    assert_picture(tmp_path / "x.png")
    rows.clear()
    loaded[0].weigher = ""
    attention.cam("run", tmp_path / "y.png")
    toaligns = ["task-relevant\n(ToAlign, +)", "task-irrelevant\n(ToAlign, −)"]
    assert [axes.get_title() for axes in rows[0][0]] == [*titles[:3], *toaligns]
