"""The pictures to label against straight lines, and that they are useful and of many kinds."""

import math

import numpy as np
import pytest

from tfuda.evaluation.pictures_to_label import choose_pictures, usefulness

RNG = np.random.default_rng(0)
P = RNG.dirichlet([0.5] * 3, [4, 20])  # [M, N, K]
F = RNG.normal(size=[20, 5])


def entropy(p):
    return -sum(x * math.log(x) for x in p)


def test_usefulness_equals_its_definition():
    for n, found in enumerate(usefulness(P)):
        q = [sum(P[m][n][k] for m in range(4)) / 4 for k in range(3)]
        apart = entropy(q) - sum(entropy(P[m][n]) for m in range(4)) / 4
        assert found == pytest.approx(entropy(q) / math.log(3) * apart / math.log(3), rel=1e-9)


def test_the_choice_equals_the_rule_in_straight_lines():
    unit, score = F / np.linalg.norm(F, axis=1)[:, None], usefulness(P)
    chosen = [max(range(20), key=lambda n: score[n])]
    while len(chosen) < 6:
        gain = {n: score[n] * min(sum((unit[n] - unit[c]) ** 2) for c in chosen) for n in range(20)}
        chosen.append(max(gain, key=gain.get))
    assert choose_pictures(P, F, 6).tolist() == chosen
    assert choose_pictures(P, F, 3).tolist() == chosen[:3]


def test_candidates_that_contradict_each_other_are_most_useful():
    sure = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), np.array([[0.5, 0.5]])
    assert usefulness(np.stack([sure[0], sure[1]])) == pytest.approx(1)
    assert usefulness(np.stack([sure[0], sure[0]])) == 0  # sure and agreed
    assert usefulness(np.stack([sure[2], sure[2]])) == 0  # unsure and agreed
    assert usefulness(sure[2][None]) == pytest.approx(1)  # one candidate: uncertainty alone


def test_every_group_of_pictures_is_shown_before_any_is_shown_twice():
    groups = np.repeat(np.arange(4), 5)
    features = np.eye(4)[groups] + 0.01 * RNG.normal(size=[20, 4])
    posteriors = np.stack([np.tile([0.9, 0.1], [20, 1]), np.tile([0.1, 0.9], [20, 1])])
    posteriors[:, groups == 2] = 0.5  # of which the candidates agree
    first = groups[choose_pictures(posteriors, features, 3)]
    assert sorted(first) == [0, 1, 3]


def test_useless_pictures_come_last_and_none_comes_twice():
    posteriors = np.stack([np.tile([1.0, 0.0], [6, 1])] * 2)
    posteriors[1, 4] = [0, 1]
    assert choose_pictures(posteriors, np.ones([6, 2]), 9).tolist() == [4, 0, 1, 2, 3, 5]


def test_a_candidate_that_diverged_is_left_out():
    broken = np.concatenate([P, np.full([1, 20, 3], np.nan)])
    assert choose_pictures(broken, F, 5).tolist() == choose_pictures(P, F, 5).tolist()
    with pytest.raises(ValueError, match="no candidate"):
        choose_pictures(broken[4:], F, 5)
    with pytest.raises(ValueError, match="features of 19 pictures, but posteriors of 20"):
        choose_pictures(P, F[:19], 5)
