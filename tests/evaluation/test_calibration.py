"""The temperature of logits whose calibration is known, and the calibration error in straight lines."""

import inspect
import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from tfuda.evaluation import calibration

RNG = np.random.default_rng(0)


def posteriors(images, rng=RNG):
    """Logits [N, 4] whose softmax is the posterior of the labels."""
    labels = rng.integers(0, 4, images)
    return 2 * (2 * np.eye(4)[labels] + rng.normal(size=[images, 4])), labels  # log p(x | y) of unit variance


@pytest.mark.parametrize("factor", [0.2, 1.0, 3.0])
def test_the_temperature_undoes_what_calibrated_logits_were_multiplied_by(factor):
    logits, labels = posteriors(20000)
    assert calibration.temperature(factor * logits, labels) == pytest.approx(factor, rel=0.05)


def test_the_likelihood_equals_its_definition():
    logits, labels, w = RNG.normal(size=[6, 3]), RNG.integers(0, 3, 6), RNG.exponential(size=6)
    losses = []
    for row, label in zip(logits.tolist(), labels):
        total = sum(math.exp(x / 1.7) for x in row)
        losses.append(-math.log(math.exp(row[label] / 1.7) / total))
    assert calibration.negative_log_likelihood(logits, labels, 1.7) == pytest.approx(sum(losses) / 6, rel=1e-9)
    weighted = sum(a * b for a, b in zip(w, losses)) / sum(w)
    assert calibration.negative_log_likelihood(logits, labels, 1.7, w) == pytest.approx(weighted, rel=1e-9)
    far = np.array([[0.0, 2000.0]])
    assert calibration.negative_log_likelihood(far, np.array([0])) == 2000


@pytest.mark.parametrize("weighted", [False, True])
def test_the_temperature_minimises_the_likelihood(weighted):
    logits, labels = posteriors(300)
    weights = RNG.exponential(size=300) if weighted else None
    found = minimize_scalar(
        lambda log_t: calibration.negative_log_likelihood(logits, labels, math.exp(log_t), weights),
        bounds=(-3, 3),
        method="bounded",
        options={"xatol": 1e-8},
    )
    assert calibration.temperature(logits, labels, weights) == pytest.approx(math.exp(found.x), rel=1e-4)


def test_weights_give_the_temperature_of_the_domain_that_they_stand_for():
    """Half of the source is three times too sure, and the target is of that half alone."""
    logits, labels = posteriors(20000)
    logits[::2] *= 3
    like_target = np.arange(20000) % 2 == 0
    assert calibration.temperature(logits, labels, like_target.astype(float)) == pytest.approx(3, rel=0.05)
    assert 1.2 < calibration.temperature(logits, labels) < 2.8
    fewer = np.where(like_target, 5.0, 1e-9)
    assert calibration.temperature(logits, labels, fewer) == pytest.approx(3, rel=0.05)


def test_ends_of_the_temperature():
    right = 3 * np.eye(4)
    assert calibration.temperature(right, np.arange(4)) == pytest.approx(
        1 / 20, rel=1e-4
    )  # no error: surer is better
    assert calibration.temperature(right, (np.arange(4) + 1) % 4) == pytest.approx(20, rel=1e-4)
    assert calibration.temperature(np.zeros([4, 4]), np.arange(4)) == 1
    assert math.isnan(calibration.temperature(np.full([4, 4], np.nan), np.arange(4)))


def test_the_calibration_error_equals_its_definition():
    logits, labels = 2 * RNG.normal(size=[50, 3]), RNG.integers(0, 3, 50)
    bins = {}
    for row, label in zip(logits.tolist(), labels):
        p = [math.exp(x) / sum(map(math.exp, row)) for x in row]
        place = next(b for b in range(10) if max(p) <= (b + 1) / 10)
        bins.setdefault(place, []).append((p.index(max(p)) == label, max(p)))
    expected = 0
    for members in bins.values():
        accuracy, confidence = (sum(column) / len(members) for column in zip(*members))
        expected += len(members) / 50 * abs(accuracy - confidence)
    assert len(bins) > 4
    assert calibration.expected_calibration_error(logits, labels, 10) == pytest.approx(expected, rel=1e-9)


def test_the_calibration_error_of_known_answers():
    sure = 50 * np.eye(2)[[0, 0, 0, 0]]
    assert calibration.expected_calibration_error(sure, np.array([0, 0, 0, 1])) == pytest.approx(0.25)
    assert calibration.expected_calibration_error(np.zeros([4, 2]), np.array([0, 0, 1, 1])) == pytest.approx(0)
    logits, labels = posteriors(20000)
    t = calibration.temperature(4 * logits, labels)
    before, after = (calibration.expected_calibration_error(4 * logits / by, labels) for by in (1, t))
    assert after < 0.02 < 0.1 < before


@pytest.mark.parametrize("accuracy", [0.35, 0.6, 0.9])
def test_a_matched_temperature_makes_the_mean_confidence_the_accuracy(accuracy):
    logits = 5 * np.random.default_rng(3).normal(size=[500, 7])
    t = calibration.matched_temperature(logits, accuracy)
    p = np.exp(logits / t)
    assert (p.max(1) / p.sum(1)).mean() == pytest.approx(accuracy, abs=1e-5)


def test_ends_of_a_matched_temperature():
    logits = np.random.default_rng(3).normal(size=[50, 7])
    assert calibration.matched_temperature(logits, 0.01) == pytest.approx(20, rel=1e-5)  # below 1 / 7
    assert calibration.matched_temperature(logits, 1.0) == pytest.approx(1 / 20, rel=1e-5)
    assert np.isnan(calibration.matched_temperature(logits, np.nan))
    assert np.isnan(calibration.matched_temperature(logits * np.inf, 0.5))


def test_no_function_takes_weights_or_labels_of_the_target():
    functions = [
        f for f in vars(calibration).values() if inspect.isfunction(f) and f.__module__ == calibration.__name__
    ]
    assert not [name for f in functions for name in inspect.signature(f).parameters if "target" in name]
