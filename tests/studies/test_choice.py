"""Choosing among candidates where the target shows all classes, and where it shows a part of them."""

import numpy as np
import pytest

from tfuda.studies.adaptation import choice
from tfuda.studies.adaptation.choice import Candidate

K = 20


def candidate(name, predicted, sure=4.0):
    """A candidate that predicts these classes for the target, and has five held-out source images of each class."""
    source = np.repeat(np.arange(K), 5)
    return Candidate(name, sure * np.eye(K)[source], source, sure * np.eye(K)[predicted])


def changed(predicted, share, rng, classes=K):
    """Predictions of which a share are replaced."""
    new = rng.integers(0, classes, len(predicted))
    return np.where(rng.random(len(predicted)) < share, new, predicted)


@pytest.mark.parametrize("count", [100, 2000])
def test_pictures_of_all_classes_are_near_the_source_however_few(count):
    rng = np.random.default_rng(0)
    found = [choice.distance(candidate("source_only", rng.integers(0, K, count))) for _ in range(20)]
    assert np.mean(found) < 0.1 and max(found) < 0.2


def test_the_distance_is_total_variation_without_what_chance_gives():
    predicted = np.repeat(np.arange(5), 400)  # 5 of 20 classes: d = 3/4
    p = 1 / K
    chance = K * np.sqrt(2 * p * (1 - p) / (np.pi * 2000)) / 2
    assert choice.distance(candidate("source_only", predicted)) == pytest.approx(np.sqrt(0.75**2 - chance**2))


def test_source_only_stays_where_the_target_seems_to_lack_classes():
    rng = np.random.default_rng(0)
    seen = changed(rng.integers(0, 7, 800), 0.3, rng)  # 7 of 20 classes, and some errors
    plain = candidate("source_only", seen)
    others = [candidate(name, changed(seen, 0.4, rng)) for name in ("dann", "dannp")]
    assert choice.label_shift([plain, *others])
    found = choice.chosen([plain, *others], margin=-1.0)
    assert (found.name, found.shifted) == ("source_only", True) and {*found.scores} == {
        "source_only",
        "dann",
        "dannp",
    }


def test_a_source_only_that_the_others_hardly_follow_says_nothing_of_the_classes():
    rng = np.random.default_rng(0)
    plain = candidate("source_only", rng.integers(0, 7, 800))
    truth = rng.integers(0, K, 800)
    others = [candidate(name, changed(truth, 0.2, rng)) for name in ("dann", "dannp")]
    found = choice.chosen([plain, *others])
    assert not found.shifted and found.name in ("dann", "dannp")
    assert choice.kept(plain, others) < 0.2


def test_without_source_only_or_others_nothing_is_said():
    one = candidate("source_only", np.zeros(50, int))
    assert not choice.label_shift([one]) and not choice.label_shift([candidate("dann", np.zeros(50, int))])
