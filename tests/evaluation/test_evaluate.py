"""Scores, and durations."""

import math

import numpy as np
import pytest

from tfuda.evaluation import evaluate
from tfuda.studies import grid


def test_a_score_counts_right_and_wrong_by_class():
    logits = np.eye(3)[[0, 1, 1, 0, 0]]
    found = evaluate.score(np.array([0, 0, 1, 1, 0]), logits)
    assert found.accuracy == 3 / 5
    np.testing.assert_allclose(found.per_class[:2], [2 / 3, 1 / 2])
    assert math.isnan(found.per_class[2])
    assert found.mean_class == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]


def test_the_table_names_what_a_class_is_taken_for():
    found = evaluate.score(np.array([0, 0, 1]), np.eye(2)[[1, 1, 1]])
    lines = evaluate.table(found, ("cat", "dog")).splitlines()
    assert lines[-2].split() == ["cat", "2", "0.0", "%", "dog", "(2)"]
    assert lines[-1].split() == ["dog", "1", "100.0", "%"]


def test_durations_read_well():
    assert [grid.duration(s) for s in (12, 100, 3900)] == ["12 s", "2 min", "1 h 05 min"]
