"""MixVal against its definition, of networks whose answers to mixed images are known."""

import numpy as np
import pytest
from PIL import Image

from tfuda.data.files import Files
from tfuda.data.views import View
from tfuda.evaluation.mixval import SHARE, mixed_logits, mixval, pairs

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


def test_the_network_sees_the_weighted_mean_of_both_images():
    images = RNG.integers(0, 256, [10, 4, 5, 3]).astype(np.uint8)
    seen = []

    def run(mixed):
        seen.append(mixed)
        return mixed.reshape(len(mixed), -1)[:, :3].astype(np.float32)

    found = mixed_logits(run, images, View(), CLASSES, batch=4)
    together, mixed = np.concatenate(pairs(CLASSES)), np.concatenate(seen)
    assert max(map(len, seen)) == 4 and mixed.dtype == np.uint8 and len(found) == len(together)
    for (a, b), x in zip(together, mixed):
        expected = 0.55 * images[a].astype(float) + 0.45 * images[b].astype(float)
        assert np.abs(x - expected).max() <= 0.5 + 1e-4 and SHARE == 0.55


def test_files_are_mixed_as_evaluation_shows_them(tmp_path):
    paths = []
    for i in range(4):
        Image.fromarray(np.full([20, 30, 3], 60 * i, np.uint8)).save(tmp_path / f"{i}.png")
        paths.append(tmp_path / f"{i}.png")
    view = View(resize=16, size=12)
    found = mixed_logits(lambda x: x[:, 6, 6].astype(np.float32), Files(paths), view, np.array([0, 0, 1, 1]))
    together = np.concatenate(pairs(np.array([0, 0, 1, 1])))
    np.testing.assert_allclose(found[:, 0], 33 * together[:, 0] + 27 * together[:, 1], atol=0.5)


def test_mixval_equals_its_definition():
    logits, (inside, across) = np.eye(4)[CLASSES], pairs(CLASSES)
    mixed = RNG.normal(size=[len(inside) + len(across), 4])
    hits = [int(CLASSES[a] == max(range(4), key=row.__getitem__)) for (a, _), row in zip([*inside, *across], mixed)]
    ice = sum(hits[: len(inside)]) / len(inside), sum(hits[len(inside) :]) / len(across)
    assert ice[0] != ice[1]
    assert mixval(logits, mixed) == pytest.approx(sum(ice) / 2, rel=1e-12)


def test_a_linear_network_of_separated_classes_is_always_right_and_one_class_gets_half():
    images = np.zeros([10, 2, 2, 3], np.uint8)
    images[np.arange(10), 0, 0, 0], images[:, 1, 1] = 50 * CLASSES, 7

    def nearest(x):
        return -np.abs(x[:, 0, 0, :1] - 50.0 * np.arange(4))

    logits = nearest(images.astype(float))
    assert (logits.argmax(1) == CLASSES).all()
    right = mixval(logits, mixed_logits(nearest, images, View(), CLASSES))
    _, across = pairs(CLASSES)
    near = [abs(0.45 * (CLASSES[a] - CLASSES[b])) < 0.5 for a, b in across]  # else a class between is nearest
    assert right == pytest.approx((1 + sum(near) / len(near)) / 2)
    one = np.tile([1.0, 0.0], [6, 1])
    assert mixval(one, one) == 0.5
    assert mixval(one[:1], np.zeros([0, 0])) == 0
