"""Protocols: who is in which stream, with which labels."""

import numpy as np
import pytest

from tfuda.data.files import Files
from tfuda.data.tasks import Domain, long_tail, protocol, relabel, split_shots

NAMES = ("a", "b", "c")


def load(name, split):
    """Nine images of three classes; the first pixel tells domain, split and row apart."""
    rows = np.arange(9)
    start = {"P": 0, "Q": 40, "T": 80}[name] + (20 if split == "test" else 0)
    images = np.zeros([9, 2, 2, 3], np.uint8) + (start + rows)[:, None, None, None].astype(np.uint8)
    return Domain(name, NAMES, images, (rows % 3).astype("int32"))


def pixels(domain):
    return set(domain.images[:, 0, 0, 0].tolist())


def test_a_plain_task_trains_on_train_images_and_hides_the_target_labels():
    task = protocol(load, "P-T")
    assert pixels(task.streams["source"]) == set(range(9))
    assert pixels(task.streams["target"]) == set(range(80, 89))
    assert task.streams["target"].labels is None
    assert pixels(task.tests["target"]) == set(range(100, 109))
    assert task.tests["target"].labels.tolist() == [0, 1, 2] * 3
    assert "target_labelled" not in task.streams


def test_several_sources_are_one_domain_that_knows_the_origin():
    source = protocol(load, "P+Q-T").streams["source"]
    assert source.name == "P+Q" and len(source) == 18
    assert source.origin.tolist() == [0] * 9 + [1] * 9


def test_partial_adaptation_leaves_classes_out_of_the_target_only():
    task = protocol(load, "P-T", target_classes=2)
    assert task.classes == NAMES
    assert len(task.streams["target"]) == 6 and len(task.streams["source"]) == 9
    assert set(task.tests["target"].labels) == {0, 1}


def test_shots_are_labelled_and_leave_the_unlabelled_target():
    task = protocol(load, "P-T", shots=1, seed=3)
    shots, rest = task.streams["target_labelled"], task.streams["target"]
    assert sorted(shots.labels) == [0, 1, 2]
    assert pixels(shots).isdisjoint(pixels(rest)) and len(rest) == 6 and rest.labels is None


def test_shots_follow_the_seed():
    picks = [pixels(protocol(load, "P-T", shots=1, seed=seed).streams["target_labelled"]) for seed in (1, 1, 2, 3, 4)]
    assert picks[0] == picks[1]
    assert len({frozenset(pick) for pick in picks}) > 1


def test_a_long_tail_keeps_a_geometric_share():
    rows = np.arange(300)
    domain = Domain("P", NAMES, np.zeros([300, 2, 2, 3], np.uint8), (rows % 3).astype("int32"))
    assert np.bincount(long_tail(domain, seed=0, ratio=0.25).labels).tolist() == [100, 50, 25]


def test_imbalance_touches_one_training_set_and_no_test_set():
    task = protocol(load, "P-T", imbalance="target", tail=0.5)
    counts = np.bincount(task.trains["target"].labels)
    assert counts[-1] == round(0.5 * counts[0])
    task = protocol(load, "P-T", imbalance="target")
    assert len(task.streams["target"]) < 9 == len(task.streams["source"])
    assert len(task.tests["target"]) == 9


def test_classes_are_matched_by_name_not_by_number():
    other = Domain("T", ("c", "a"), np.zeros([2, 2, 2, 3], np.uint8), np.array([0, 1], "int32"))
    assert relabel(other, NAMES).labels.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": "PT"}, "unknown task 'PT': name it SOURCE-TARGET"),
        ({"source_classes": 2}, "domain T has the class 'c' that the source lacks"),
        ({"target_classes": 7}, "domain T has 3 classes, not 7"),
        ({"tail": 0.0}, "tail=0.0: the last class keeps a share above 0 and up to 1"),
        ({"imbalance": "both"}, "imbalance is 'source', 'target' or empty, not 'both'"),
        ({"shots": 3}, "3 shots leave nothing of class 'a'"),
    ],
)
def test_what_does_not_fit_is_named(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        protocol(load, **{"task": "P-T", **changes})


def test_hidden_labels_cannot_be_asked_for():
    with pytest.raises(ValueError, match="domain T has no labels"):
        split_shots(load("T", "train").unlabelled(), 1, 0)


def whole(name, split):
    """A data set without splits: the same files for training and testing, as Office-31 has them."""
    files = Files([f"/data/{name}/{i}.jpg" for i in range(40)])
    return Domain(name, NAMES, files, (np.arange(40) % len(NAMES)).astype("int32"))


def test_no_shot_is_a_test_image_where_training_and_testing_share_their_images():
    task = protocol(whole, "A-B", shots=3)
    shots = set(task.streams["target_labelled"].images.paths)
    assert len(shots) == 3 * len(NAMES) and not shots & set(task.tests["target"].images.paths)
    assert len(task.tests["target"]) == 40 - len(shots)


def test_official_shots_follow_the_protocol_too():
    def load(name, split):
        domain = whole(name, split)
        return domain.rows(np.arange(6)) if split.startswith("labelled") else domain.rows(np.arange(6, 40))

    task = protocol(load, "A-B", shots=3, target_classes=2, imbalance="target", official=True)
    assert set(task.streams["target_labelled"].labels) == {0, 1} == set(task.tests["target"].labels)
    assert len(task.streams["target"]) < len(task.tests["target"])  # the tail is training's alone
