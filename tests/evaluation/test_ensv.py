"""EnsV against its definition, and that it finds the best of candidates with errors of their own."""

import math

import numpy as np
import pytest

from tfuda.evaluation.ensv import ensv

RNG = np.random.default_rng(0)


def test_ensv_equals_its_definition():
    candidates = RNG.dirichlet([0.5] * 3, [4, 15])
    expected = []
    for one in candidates:
        hits = 0
        for n in range(15):
            q = [sum(p[n][k] for p in candidates) / 4 for k in range(3)]
            hits += one[n].tolist().index(max(one[n])) == q.index(max(q))
        expected.append(hits / 15)
    assert len({*expected}) > 1
    assert ensv(candidates) == pytest.approx(expected, rel=1e-12)


def test_candidates_with_errors_of_their_own_are_ranked_as_by_their_accuracy():
    truth = RNG.integers(0, 5, 2000)
    skills = (0.5, 2.5, 1.5, 3.5)
    logits = [skill * np.eye(5)[truth] + RNG.normal(size=[2000, 5]) for skill in skills]
    p = [np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in logits]
    assert np.argsort(ensv(p)).tolist() == np.argsort(skills).tolist()


def test_a_candidate_that_diverged_is_nan_and_changes_no_other():
    candidates = [*RNG.dirichlet([0.5] * 3, [3, 15])]
    broken = ensv([*candidates, np.full([15, 3], np.nan)])
    assert broken[:3] == ensv(candidates) and math.isnan(broken[3])
    assert math.isnan(ensv([np.full([15, 3], np.nan)])[0])
