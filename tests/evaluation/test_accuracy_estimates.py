"""Each estimate of target accuracy against its definition in straight lines, and where its assumption holds."""

import inspect
import math
from statistics import NormalDist

import numpy as np
import pytest

from tfuda.evaluation import accuracy_estimates as estimates
from tfuda.evaluation import importance, validators
from tfuda.evaluation.validators import Evidence

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 40)
SOURCE = 2 * np.eye(3)[LABELS] + 1.5 * RNG.normal(size=[40, 3])
TARGET = 2.5 * RNG.normal(size=[30, 3])


def softmax(row):
    return [math.exp(x) / sum(map(math.exp, row)) for x in row]


def mean(values):
    values = list(values)
    return sum(values) / len(values)


SCORES = {"confidence": max, "entropy": lambda p: sum(x * math.log(x) for x in p)}
WRONG = [max(range(3), key=row.__getitem__) != label for row, label in zip(SOURCE.tolist(), LABELS)]


@pytest.mark.parametrize("score", SCORES)
def test_atc_equals_its_definition(score):
    source, target = ([SCORES[score](softmax(row)) for row in rows.tolist()] for rows in (SOURCE, TARGET))
    t = sorted(source)[sum(WRONG)]  # as many scores lie below as predictions are wrong
    assert 0 < sum(WRONG) < 40 and mean(s < t for s in source) == mean(WRONG)
    assert estimates.atc(SOURCE, LABELS, TARGET, score) == pytest.approx(mean(s >= t for s in target), rel=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_atc_on_the_source_itself_is_the_source_accuracy(score):
    assert estimates.atc(SOURCE, LABELS, SOURCE, score) == validators.source_accuracy(LABELS, SOURCE)


def test_the_threshold_of_equal_scores_is_the_nearest_that_can_be_had():
    scores = np.array([0.5, 0.5, 0.5, 0.9])
    assert estimates.threshold(scores, np.array([1, 0, 0, 0])) == 0.5  # 0 or 3 lie below, and 0 is nearer to 1
    assert estimates.threshold(scores, np.array([1, 1, 0, 0])) == 0.9
    assert estimates.threshold(scores, np.zeros(4)) == 0.5 and estimates.threshold(scores, np.ones(4)) == math.inf


def test_doc_equals_its_definition():
    confident = [mean(max(softmax(row)) for row in rows.tolist()) for rows in (SOURCE, TARGET)]
    expected = 1 - mean(WRONG) - (confident[0] - confident[1])
    assert 0 < expected < 1
    assert estimates.doc(SOURCE, LABELS, TARGET) == pytest.approx(expected, rel=1e-12)


def test_doc_stays_within_0_and_1():
    sure, unsure, right = 50 * np.eye(3), np.zeros([3, 3]), np.arange(3)
    assert estimates.doc(unsure, right, sure) == pytest.approx(1)  # 1/3 + 2/3
    assert estimates.doc(unsure + 1e-3 * sure, right, sure) == 1
    assert estimates.doc(sure, (right + 1) % 3, unsure) == 0


def test_gde_equals_its_definition():
    classes, others = RNG.integers(0, 3, 30), RNG.integers(0, 3, [4, 30])
    expected = mean(mean(a == b for a, b in zip(classes.tolist(), row)) for row in others.tolist())
    assert estimates.gde(classes, others) == pytest.approx(expected, rel=1e-12)


def test_gde_is_the_accuracy_of_networks_that_differ_as_the_labels_do():
    """Each of two networks, and the label, is a draw of the same posterior: the paper's calibrated case."""
    p = RNG.dirichlet([0.3] * 4, 20000)
    one, two, truth = ((p.cumsum(1) < RNG.random([20000, 1])).sum(1) for _ in range(3))
    assert estimates.gde(one, two[None]) == pytest.approx((one == truth).mean(), abs=0.01)


def test_aline_equals_its_definition():
    phi, inverse = NormalDist().cdf, NormalDist().inv_cdf
    source, target = RNG.integers(0, 2, [4, 50]), RNG.integers(0, 2, [4, 60])
    labels = RNG.integers(0, 2, 50)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    x = [inverse(mean(source[i] == source[j])) for i, j in pairs]
    y = [inverse(mean(target[i] == target[j])) for i, j in pairs]
    a, b = np.polyfit(x, y, 1)
    expected = [phi(a * inverse(mean(row == labels)) + b) for row in source]
    np.testing.assert_allclose(estimates.aline(source, target, labels), expected, rtol=1e-6)


def test_aline_finds_accuracies_that_lie_on_the_line_of_agreement():
    """Networks with independent errors among many classes agree where both are right."""
    truth, found = np.arange(20000) % 1000, {}
    for domain, lost in (("source", 0.0), ("target", 1.0)):
        rows = []
        for skill in (0.6, 1.0, 1.4, 1.8):
            right = RNG.random(20000) < NormalDist().cdf(skill - lost)
            rows.append(np.where(right, truth, RNG.integers(0, 1000, 20000)))
        found[domain] = np.array(rows)
    accuracy = (found["target"] == truth).mean(1)
    assert np.abs(estimates.aline(found["source"], found["target"], truth) - accuracy).max() < 0.1
    assert np.ptp(accuracy) > 0.3


def test_aline_needs_three_networks_that_agree_differently():
    two, same = np.array([[0, 1], [1, 1]]), np.array([[0, 1]] * 3)
    assert np.isnan(estimates.aline(two, two, np.array([0, 1]))).all()
    assert np.isnan(estimates.aline(same, same, np.array([0, 1]))).all()


def test_weighted_estimates_equal_their_definitions():
    w, wrong = RNG.exponential(size=40), np.array(WRONG, float)
    expected = 1 - sum(a * b for a, b in zip(w, wrong)) / sum(w)
    assert estimates.importance_weighted(w, LABELS, SOURCE) == pytest.approx(expected, rel=1e-12)
    assert estimates.control_variate(w, LABELS, SOURCE) == pytest.approx(1 - validators.dev(w, wrong), rel=1e-12)


def test_every_estimate_is_right_where_the_domains_are_the_same():
    def network(seed):
        rng = np.random.default_rng(seed)
        truth = np.random.default_rng(9).integers(0, 5, 8000)
        return truth, 3 * np.eye(5)[truth] + 1.5 * rng.normal(size=[8000, 5])

    seen = []
    for seed in range(3):
        truth, logits = network(seed)
        logits *= 4 / 3  # the posterior of this mixture: calibrated
        seen.append(Evidence(logits[:4000], truth[:4000], logits[4000:], np.ones(4000)))
    accuracy = (seen[0].target_logits.argmax(1) == truth[4000:]).mean()
    found = estimates.estimates(seen[0], seen[1:])
    assert set(found) == set(estimates.NAMES) and np.isfinite([*found.values()]).sum() == 7
    for name in ("atc_confidence", "atc_entropy", "doc", "iwcv", "dev"):
        assert found[name] == pytest.approx(accuracy, abs=0.02), name


def test_estimates_without_their_inputs_are_nan():
    seen = Evidence(SOURCE, LABELS, TARGET)
    alone = estimates.estimates(seen)
    assert {name for name, value in alone.items() if math.isnan(value)} == {"gde", "aline", "iwcv", "dev"}
    assert alone["atc_entropy"] == estimates.atc(SOURCE, LABELS, TARGET, "entropy")
    assert estimates.estimates(seen, [seen])["gde"] == 1
    broken = seen._replace(target_logits=np.full([30, 3], np.nan))
    assert all(map(math.isnan, estimates.estimates(broken).values()))
    assert math.isnan(estimates.estimates(seen, [broken])["gde"])


def test_no_estimate_takes_target_labels():
    functions = [
        of for of in vars(estimates).values() if inspect.isfunction(of) and of.__module__ == estimates.__name__
    ]
    named = {name for of in functions for name in inspect.signature(of).parameters if "label" in name}
    assert named == {"source_labels", "labels"}  # the latter beside weights of the held-out source


def test_weights_from_logits_favour_what_resembles_the_target():
    """The target is of the source's first class alone, so the ratio is high there."""
    labels = np.arange(400) % 2
    logits = 4 * np.eye(2)[labels] + RNG.normal(size=[400, 2])
    w = importance.ratio_of_logits(logits, logits[labels == 0] + 0.1)
    assert w.mean() == pytest.approx(1) and w[labels == 0].mean() > 5 * w[labels == 1].mean()
    np.testing.assert_array_equal(importance.ratio_of_logits(logits[:3], logits), 1)


def test_no_weight_is_above_the_cap():
    w = importance.capped(np.array([1.0] * 99 + [1e6]), 10)
    assert w.mean() == pytest.approx(1)
    assert w[-1] / w[0] == pytest.approx(10 * (99 + 1e6) / 100)
