"""Each warning where it is due, and none where nothing is wrong."""

import math

import numpy as np
import pytest

from tfuda.evaluation import warning_signs
from tfuda.evaluation.combined_estimate import Estimate
from tfuda.evaluation.warning_signs import Case

RNG = np.random.default_rng(0)
NAMES = ("bed", "cup", "fan", "key")
SURE = 0.94 * np.eye(4) + 0.015
GOOD = Estimate(0.8, 0.7, 0.9)


def domain(labels):
    """Posteriors and features of pictures that are told apart well, some more than others."""
    logits = 4 * np.eye(4)[labels] + 0.7 * RNG.normal(size=[len(labels), 4])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return p, np.eye(6)[labels] + 0.2 * RNG.normal(size=[len(labels), 6])


def case(**changes):
    labels = np.arange(400) % 4
    source, target = domain(labels), domain(labels)
    made = Case(
        NAMES, np.full(4, 100), *source, labels, *target, "dannp", GOOD, Estimate(0.6, 0.5, 0.7), np.ones(400)
    )
    return made._replace(**changes)


def test_nothing_is_said_where_nothing_is_wrong():
    assert warning_signs.warning_signs(case()) == []


def test_a_class_that_the_target_never_shows_is_named():
    labels = np.array([0, 1, 3])[np.arange(400) % 3]
    p, f = domain(labels)
    said = warning_signs.warning_signs(case(target_posteriors=p, target_features=f))
    assert len(said) == 1 and said[0].startswith("Hardly any target picture is taken for fan: either the target has")


def test_a_class_is_not_missed_by_chance_or_while_its_posteriors_are_there():
    assert warning_signs.absent(NAMES, SURE[[0] * 19]) == []  # 4.75 expected of each
    assert "bed" not in warning_signs.absent(NAMES, SURE[[0] * 20])[0]
    assert "cup, fan, key" in warning_signs.absent(NAMES, 0.99 * np.eye(4)[[0] * 20] + 0.0025)[0]
    often_second = np.tile([0.4, 0.3, 0.2, 0.1], [40, 1])
    assert "is taken for key: either" in warning_signs.absent(NAMES, often_second)[0]  # cup and fan are close seconds


def test_a_class_that_swallows_the_target_is_named_with_its_share():
    def of(share):
        return warning_signs.swallowed(NAMES, SURE[np.where(np.arange(200) < 200 * share, 1, 2)])

    assert of(0.7) == ["70 % of the target pictures are taken for cup: the network may have collapsed."]
    assert of(0.62) == []  # 1/4 + 1/2 3/4 = 62.5 %
    assert warning_signs.swallowed(NAMES[:2], np.tile([0.6, 0.4], [9, 1]))[0].startswith("100 % of")
    assert warning_signs.swallowed(NAMES[:2], np.eye(2)[[0] * 7 + [1] * 3]) == []


def test_pictures_unlike_any_class_are_those_far_from_all_and_unsure():
    p, f = domain(np.arange(400) % 4)
    f[:100] = np.eye(6)[5] + 0.1 * RNG.normal(size=[100, 6])  # where no source picture lies
    far = case(target_posteriors=p, target_features=f)
    assert warning_signs.is_unlike(far).sum() < 20  # the network is sure of them
    p = p.copy()
    p[:100] = 0.25
    far = far._replace(target_posteriors=p)
    assert warning_signs.is_unlike(far)[:100].all() and warning_signs.is_unlike(far)[100:].sum() <= 5
    (said,) = warning_signs.unlike(far)
    assert said[:2] in ("25", "26") and said[2:].startswith(" % of the target pictures resemble no class")
    near = case(target_posteriors=p)
    assert warning_signs.is_unlike(near).sum() < 20 and warning_signs.unlike(near) == []


def test_the_source_itself_is_rarely_unlike_its_classes():
    own = case()
    own = own._replace(target_posteriors=own.source_posteriors, target_features=own.source_features)
    assert warning_signs.is_unlike(own).mean() <= 0.05


def test_a_result_close_to_guessing_is_one():
    def learnt(value, classes):
        return warning_signs.learnt("dannp", classes, Estimate(value, value, value))

    (said,) = learnt(0.27, 10)
    assert said.startswith("The estimated accuracy, 27 %, is close to guessing (10 %): the domains may lie too far")
    assert learnt(0.29, 10) == [] and learnt(0.59, 2) != [] and learnt(0.61, 2) == []


def test_adaptation_that_gains_nothing_is_said_and_so_is_source_only_that_is_kept():
    (said,) = warning_signs.learnt("dannp", 4, GOOD, Estimate(0.79, 0.7, 0.9))
    assert said.startswith("By estimate, dannp gains less than 2 % over training on the source alone (79 %)")
    assert warning_signs.learnt("dannp", 4, GOOD, Estimate(0.77, 0.7, 0.9)) == []
    (said,) = warning_signs.learnt("source_only", 4, GOOD, GOOD)
    assert said == "Training on the source alone is kept: no adaptation is estimated to be better."


def test_a_loose_and_a_missing_estimate_are_said():
    (said,) = warning_signs.learnt("dannp", 4, Estimate(0.6, 0.3, 0.9))
    assert said == "The accuracy may lie anywhere from 30 % to 90 %: label some target pictures."
    (said,) = warning_signs.learnt("dannp", 4, Estimate(math.nan, 0.0, 1.0))
    assert "cannot be estimated" in said


def test_few_pictures_are_said():
    assert warning_signs.counts(NAMES, np.array([10, 9, 99, 3]), 100) == [
        "Few source pictures of cup (9), key (3): fewer than 10 hardly teach a class."
    ]
    assert warning_signs.counts(NAMES, np.full(4, 10), 99)[0].startswith("The target has 99 pictures")
    assert warning_signs.listed([*"abcdefg"]) == "a, b, c, d, e, 2 more"


@pytest.mark.parametrize(("heavy", "expected"), [(1, True), (20, False)])
def test_domains_that_hardly_overlap_are_said(heavy, expected):
    """20 of 400 weights that carry all are an effective share of 5 %."""
    weights = np.where(np.arange(400) < heavy, 1.0, 0.0)
    assert bool(warning_signs.overlap(weights)) is expected


def test_outputs_that_are_not_finite_give_the_warnings_that_need_none():
    broken = case(target_posteriors=np.full([400, 4], np.nan), estimate=Estimate(math.nan, 0.0, 1.0))
    assert len(warning_signs.warning_signs(broken)) == 1
