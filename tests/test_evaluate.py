"""Scores and the label-free validator."""

import math

import numpy as np
import pytest

from tfuda import benchmark, evaluate, validators


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


def test_infomax_is_highest_for_sure_and_diverse_predictions():
    sure = 20 * np.eye(4)
    assert validators.infomax(sure) == pytest.approx(math.log(4), abs=1e-4)
    assert validators.infomax(np.zeros([5, 4])) == pytest.approx(0, abs=1e-12)
    assert validators.infomax(sure[[0, 0, 0]]) == pytest.approx(0, abs=1e-4)


def test_infomax_equals_its_definition():
    logits = np.random.default_rng(0).normal(size=[7, 3])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    mean = [sum(p[i, k] for i in range(7)) / 7 for k in range(3)]
    whole = -sum(q * math.log(q) for q in mean)
    each = sum(-sum(q * math.log(q) for q in row) for row in p) / 7
    assert validators.infomax(logits) == pytest.approx(whole - each, rel=1e-9)


def test_durations_read_well():
    assert [benchmark.duration(s) for s in (12, 100, 3900)] == ["12 s", "2 min", "1 h 05 min"]
