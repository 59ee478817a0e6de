"""Samplers: which images, in which order; and the balanced loader against the authors' sequences."""

import numpy as np
import pytest
import tensorflow as tf
from golden_tools import golden_fixture  # noqa: F401

from tfuda.data import samplers
from tfuda.data.pipeline import Streams
from tfuda.data.tasks import Domain
from tfuda.data.views import View


def domain(labels, origin=None):
    labels = np.array(labels, np.int32)
    images = np.zeros([len(labels), 1, 1, 3], np.uint8)
    return Domain("D", tuple("abcde"), images, labels, None if origin is None else np.array(origin, np.int32))


def drawn(sampler, steps, first=0):
    run = tf.function(sampler)
    return np.stack([run(tf.constant(step, tf.int64)) for step in range(first, first + steps)])


def official(file, prefix):
    """(labels, batches [n, B], length of a round) of a loader in the file."""
    labels = file["loader_gt"] if prefix == "loader" else file[f"{prefix}_prob"].argmax(1)
    return labels, file[f"{prefix}_batches"].astype(int), int(file[f"{prefix}_len"])


@pytest.mark.golden
@pytest.mark.parametrize("prefix", ["loader", "loader_dropclass"])
def test_balanced_turns_give_the_authors_sequence(golden, prefix):
    labels, batches, length = official(golden("biwaa_schedules"), prefix)
    size = batches.shape[1]
    table, sizes, ours = samplers.class_rows(labels, size)
    assert ours == length
    kinds = [labels[row[0]] for row in table]
    rounds, turns = -(-len(batches) // length), -(-length * size // len(table))
    order = np.full([rounds, turns, len(table)], -1)
    place = np.full([rounds, len(table), turns], -1)
    for r in range(rounds):
        flat = batches[r * length : (r + 1) * length].ravel()
        for at, row in enumerate(flat):
            turn, slot = divmod(at, len(table))
            kind = kinds.index(labels[row])
            order[r, turn, slot] = kind
            place[r, kind, turn] = np.flatnonzero(table[kind, : sizes[kind]] == row)[0]
    whole = length * size // len(table)  # turns in which every class comes
    full = rounds if len(batches) % length == 0 else rounds - 1
    assert (np.sort(order[:full, :whole], -1) == np.arange(len(table))).all()  # each class once a turn
    for row in place[:full].reshape(-1, turns):
        assert len(set(row[row >= 0])) == (row >= 0).sum()  # no image twice in a round
    first = place[0]
    assert (first[first >= 0] == np.broadcast_to(np.arange(turns), first.shape)[first >= 0]).all()  # in file order

    def look(array):
        return lambda *index: tf.gather_nd(tf.constant(array, tf.int64), tf.stack(index, 1))

    for step, expected in enumerate(batches):
        rows = samplers.by_turns(tf.constant(step, tf.int64), size, table, length, look(order), look(place))
        np.testing.assert_array_equal(rows, expected)


def test_balanced_batches_have_as_many_of_each_class():
    labels = [0] * 40 + [1] * 12 + [2] * 25
    rows = drawn(samplers.balanced(domain(labels), 6, (0, 1)), 240)
    seen = np.array(labels)[rows]
    assert all((np.bincount(batch, minlength=3) == 2).all() for batch in seen)
    assert set(rows[seen == 0]) == set(range(40))  # large classes are sub-sampled anew each round
    one = rows[:6].ravel()  # a round: 12 of each
    assert len(set(one)) == 36


def test_a_class_that_is_too_small_drops_out():
    rows = drawn(samplers.balanced(domain([0] * 9 + [1] * 9 + [2]), 6, (0, 1)), 12)
    assert rows.max() < 18
    with pytest.raises(ValueError, match="no class has the 4 images that balanced batches of 8 need"):
        samplers.balanced(domain([0, 1]), 8, (0, 1))


def test_labels_below_zero_are_no_class():
    table, sizes, _ = samplers.class_rows(np.array([-1, 0, 1, 0, -1, 1]), 2)
    np.testing.assert_array_equal(table, [[1, 3], [2, 5]])
    np.testing.assert_array_equal(sizes, [2, 2])


def test_lopsided_pseudo_labels_lose_the_classes_that_cannot_be_balanced():
    labels = np.array([0] * 990 + [1] * 10 + [2] * 900 + [-1] * 5)
    kept = samplers.usable(labels, 32)
    assert set(kept) == {-1, 0, 1, 2}  # ten of each make a batch still
    kept = samplers.usable(np.array([0] * 990 + [9] * 10), 32)
    assert set(kept) == {-1, 0}
    assert (samplers.usable(np.array([0, 1, 2]), 32) == -1).all()


def test_what_picks_the_source_does_not_pick_the_crop():
    view = View(256, 224, train="crop")
    made = domain([0] * 90, [0] * 30 + [1] * 30 + [2] * 30)
    streams = Streams({"source": made}, {"source": 64}, view=view, samplers={"source": samplers.per_domain})
    plan = tf.function(streams.plan("source"))
    found = [plan(tf.constant(step, tf.int64)) for step in range(10)]
    source = np.concatenate([f["domain"] for f in found])
    place = np.concatenate([f["box"][:, :2] for f in found])
    for remainder in (place[:, 0] % 3, place[:, 1] % 3, place.sum(1) % 3):
        assert 0.2 < (remainder == source).mean() < 0.47


@pytest.mark.parametrize("kind", ["uniform", "balanced", "per_domain", "padded"])
def test_a_step_far_ahead_costs_no_more_than_the_first_and_draws_the_same_alone(kind):
    origin = [0] * 20 + [1] * 10
    sampler = getattr(samplers, kind)(domain([0, 1] * 15, origin), 4, (3, 7))
    ahead = drawn(sampler, 3, 40_000)
    np.testing.assert_array_equal(ahead[2:], drawn(sampler, 1, 40_002))
    assert len({tuple(row) for row in ahead}) == 3
    other = getattr(samplers, kind)(domain([0, 1] * 15, origin), 4, (4, 7))
    assert (drawn(other, 3, 40_000) != ahead).any()


def test_per_domain_draws_every_source_equally_often():
    origin = [0] * 90 + [1] * 10
    rows = drawn(samplers.per_domain(domain([0] * 100, origin), 50, (0, 1)), 80)
    share = (rows >= 90).mean()
    assert abs(share - 0.5) < 0.03 and set(rows.ravel()) == set(range(100))


def test_padded_repeats_the_shorter_source_to_the_length_of_the_longer():
    origin = [0] * 30 + [1] * 10
    one_pass = drawn(samplers.padded(domain([0] * 40, origin), 6, (0, 1)), 10).ravel()
    counts = np.bincount(one_pass, minlength=40)
    assert (counts[:30] == 1).all() and (counts[30:] == 3).all()
    assert (one_pass[:30] >= 30).any() and (one_pass[:30] < 30).any()  # shuffled together
