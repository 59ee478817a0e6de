"""Batches are pure functions of seed and step."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tfuda.data.augment import shift
from tfuda.data.pipeline import Streams
from tfuda.data.samplers import uniform
from tfuda.data.tasks import Domain


def at(step):
    return tf.constant(step, tf.int64)


def rows(count, batch, seed, steps):
    sample = tf.function(uniform(domain("P", count=count), batch, seed))
    return np.concatenate([sample(at(step)) for step in range(steps)])


def test_every_pass_takes_every_image_once_in_a_new_order():
    drawn = rows(10, 4, (0, 1), 10).reshape(4, 10)
    assert all(sorted(turn) == list(range(10)) for turn in drawn)
    assert len({tuple(turn) for turn in drawn}) == 4


def test_seed_and_stream_change_the_order():
    orders = {tuple(rows(50, 10, seed, 5)) for seed in [(0, 1), (0, 2), (1, 1)]}
    assert len(orders) == 3


def domain(name, labels=True, count=12):
    images = np.random.default_rng(0).integers(0, 255, [count, 6, 6, 3], np.uint8)
    return Domain(name, ("a", "b"), images, (np.arange(count) % 2).astype("int32") if labels else None)


def streams(**options):
    domains = {"source": domain("P"), "target": domain("T", labels=False)}
    return Streams(domains, {"source": 4, "target": 6}, **options)


def test_a_stream_without_labels_has_none_in_its_batch():
    batch = streams().load(at(0))
    assert set(batch["source"]) == {"image", "index", "label"}
    assert set(batch["target"]) == {"image", "index"}
    assert batch["target"]["image"].shape == (6, 6, 6, 3) and batch["target"]["image"].dtype == tf.uint8


def test_index_is_the_place_in_the_domain():
    made = streams()
    batch = made.load(at(5))["source"]
    np.testing.assert_array_equal(batch["image"], made.domains["source"].images[batch["index"]])
    np.testing.assert_array_equal(batch["label"], made.domains["source"].labels[batch["index"]])


def test_a_dataset_goes_from_step_to_step():
    made = streams(augment=functools.partial(shift, pixels=1))
    batches = list(made.dataset(3, 5))
    assert len(batches) == 2
    for number, batch in zip((3, 4), batches):
        expected = made.load(at(number))
        tf.nest.map_structure(np.testing.assert_array_equal, batch, expected)


def test_shift_moves_whole_images_and_repeats_edges():
    image = np.arange(25, dtype=np.uint8).reshape(1, 5, 5, 1).repeat(3, -1).repeat(200, 0)
    moved = shift(tf.constant(image), at([0, 1]), 1).numpy()
    assert {int(m[2, 2, 0]) for m in moved} == {6, 7, 8, 11, 12, 13, 16, 17, 18}
    for m in moved:
        down, right = divmod(int(m[2, 2, 0]), 5)
        padded = np.pad(image[0], ((1, 1), (1, 1), (0, 0)), "edge")
        np.testing.assert_array_equal(m, padded[down - 1 : down + 4, right - 1 : right + 4])


def test_a_batch_that_does_not_fit_is_named():
    with pytest.raises(ValueError, match="batch 20 does not fit stream 'source': domain P has 12 images"):
        Streams({"source": domain("P")}, {"source": 20})
