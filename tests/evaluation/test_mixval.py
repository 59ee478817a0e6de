"""MixVal against its definition, of networks whose answers to mixed images are known."""

import numpy as np
import pytest
import tensorflow as tf
import tiny
from PIL import Image

from tfuda.data.files import Files
from tfuda.data.views import View
from tfuda.evaluation.evaluate import Observer
from tfuda.evaluation.importance import evenly
from tfuda.evaluation.mixval import SHARE, mixed_logits, mixture, mixval, pairs
from tfuda.experiment import training
from tfuda.experiment.workdir import Workdir
from tfuda.networks.base import Outputs

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")

RNG = np.random.default_rng(0)
CLASSES = np.array([0, 1, 1, 2, 1, 0, 2, 2, 2, 3])


def test_pairs_inside_are_of_one_class_and_pairs_across_of_two():
    inside, across = pairs(CLASSES)
    assert (CLASSES[inside[:, 0]] == CLASSES[inside[:, 1]]).all() and (inside[:, 0] != inside[:, 1]).all()
    assert (CLASSES[across[:, 0]] != CLASSES[across[:, 1]]).all()
    assert sorted(inside[:, 0]) == [0, 1, 2, 3, 4, 5, 6, 7, 8]  # the only image of class 3 has no partner
    assert inside[inside[:, 0] == 3].tolist() == [[3, 7]]  # 3, 6, 7, 8 are of class 2: half of them further
    assert len({*across[:, 0]}) == len(across) and len(across) > 5
    again = pairs(CLASSES.copy())
    assert (again[0] == inside).all() and (again[1] == across).all()


class Pixels:
    """A network whose logits are minus the distance of one channel of one pixel from 50 k, K = 4 classes k."""

    def __init__(self, view=None):
        self.view = view or View()

    def __call__(self, images, training):
        assert not training
        x = tf.cast(images[:, 6, 6, :1], tf.float32)
        return Outputs((), x, -tf.abs(x - 50.0 * tf.range(4, dtype=tf.float32)))


def pictures(classes):
    """Images of which the network predicts these classes."""
    images = np.zeros([len(classes), 12, 12, 3], np.uint8)
    images[:, 6, 6, 0] = 50 * classes
    return images


def test_a_mixture_is_the_weighted_mean_rounded_for_pictures():
    a, b = RNG.integers(0, 256, [2, 5, 1, 4, 4, 3]).astype(np.uint8)
    found = mixture(a, b)
    assert found.dtype == np.uint8 and SHARE == 0.55
    assert np.abs(found - (0.55 * a.astype(float) + 0.45 * b.astype(float))).max() <= 0.5 + 1e-4
    maps = RNG.normal(size=[2, 5, 1, 4]).astype(np.float16)
    np.testing.assert_allclose(mixture(*maps), 0.55 * maps[0] + 0.45 * maps[1], atol=2e-3)


@pytest.mark.parametrize("batch", [4, 256])
def test_the_network_answers_the_mixture_of_every_pair(batch):
    found = mixed_logits(Observer(Pixels(), batch), pictures(CLASSES), CLASSES)
    together = np.concatenate(pairs(CLASSES))
    value = np.rint(50 * (0.55 * CLASSES[together[:, 0]] + 0.45 * CLASSES[together[:, 1]]))
    np.testing.assert_allclose(found, -np.abs(value[:, None] - 50 * np.arange(4)), atol=1.01)


def test_files_are_mixed_as_evaluation_shows_them(tmp_path):
    classes = np.array([0, 0, 1, 1, 3])
    for i, k in enumerate(classes):
        Image.fromarray(np.full([20, 30, 3], 50 * k, np.uint8)).save(tmp_path / f"{i}.png")
    files = Files([tmp_path / f"{i}.png" for i in range(5)])
    found = mixed_logits(Observer(Pixels(View(resize=16, size=12))), files, classes)
    np.testing.assert_allclose(found, mixed_logits(Observer(Pixels()), pictures(classes), classes), atol=1e-5)


def test_mixval_equals_its_definition():
    logits, (inside, across) = np.eye(4)[CLASSES], pairs(CLASSES)
    mixed = RNG.normal(size=[len(inside) + len(across), 4])
    hits = [int(CLASSES[a] == max(range(4), key=row.__getitem__)) for (a, _), row in zip([*inside, *across], mixed)]
    ice = sum(hits[: len(inside)]) / len(inside), sum(hits[len(inside) :]) / len(across)
    assert ice[0] != ice[1]
    assert mixval(logits, mixed) == pytest.approx(sum(ice) / 2, rel=1e-12)


def test_a_network_of_separated_classes_is_right_between_neighbours_and_one_class_gets_half():
    observer, images = Observer(Pixels()), pictures(CLASSES)
    logits = observer(images).logits
    assert (logits.argmax(1) == CLASSES).all()
    _, across = pairs(CLASSES)
    near = [0.45 * abs(CLASSES[a] - CLASSES[b]) < 0.5 for a, b in across]  # else a class between is nearest
    assert 0 < sum(near) < len(near)
    assert mixval(logits, mixed_logits(observer, images, CLASSES)) == pytest.approx((1 + sum(near) / len(near)) / 2)
    one = np.tile([1.0, 0.0], [6, 1])
    assert mixval(one, one) == 0.5
    assert mixval(one[:1], np.zeros([0, 0])) == 0


@pytest.mark.slow
def test_maps_of_frozen_stages_are_mixed_in_place_of_pictures(tmp_path):
    made = tiny.config("dann", steps=2, segment=2, validators="mixval,transfer_score", select="mixval")
    made.network.frozen, made.views, made.views_precision = "2", 2, "float32"
    result = training.train_run(made, Workdir(tmp_path / "run"))
    (row,) = Workdir(tmp_path / "run").rows()
    assert result["validator"] == "mixval" and 0 < row["val_mixval"] <= 1 and np.isfinite(row["val_transfer_score"])
    _, task, method = training.load_run(tmp_path / "run")
    observer, network = Observer(method.network), method.network
    images = evenly(task.streams["target"].images)
    maps = network.stages[1](network.stages[0](tf.constant(images))).numpy()  # of the two frozen stages
    logits = observer(images).logits
    expected = mixval(logits, mixed_logits(observer, maps, logits.argmax(1)))
    assert row["val_mixval"] == pytest.approx(expected, abs=2e-3)
    assert expected != mixval(logits, mixed_logits(observer, images, logits.argmax(1)))
