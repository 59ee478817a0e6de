"""The combined estimate against straight lines, and how often its interval holds the truth."""

import math

import numpy as np
import pytest

from tfuda.evaluation import combined_estimate
from tfuda.evaluation.combined_estimate import Row, estimate

RNG = np.random.default_rng(0)


def table(tasks, rng, rows=3):
    """Rows whose estimate `good` errs by 0.03 and `high` by 0.1 too much; rows of a task err alike."""
    made = []
    for task in range(tasks):
        together = rng.normal(0, 0.03)
        for _ in range(rows):
            truth = rng.uniform(0.3, 0.8)
            good = truth + together + rng.normal(0, 0.005)
            made.append(Row(f"t{task}", {"good": good, "high": truth + 0.1 + rng.normal(0, 0.1)}, truth))
    return made


def test_the_fit_is_the_minimum_of_its_objective():
    rows, names = table(4, RNG) + table(1, RNG, 7), ("good", "high")
    fit = combined_estimate.fit_combination(rows, names)

    def objective(bias, weights):
        losses = {}
        for row in rows:
            value = bias + sum(w * row.estimates[name] for w, name in zip(weights, names))
            losses.setdefault(row.task, []).append((row.truth - value) ** 2)
        penalty = combined_estimate.DECAY * sum((w - 1 / 2) ** 2 for w in weights)
        return sum(sum(some) / len(some) for some in losses.values()) + penalty

    least = objective(fit.bias, fit.weights)
    for step in 1e-4 * np.concatenate([np.eye(3), -np.eye(3)]):
        assert objective(fit.bias + step[0], fit.weights + step[1:]) > least


def test_the_fit_learns_which_estimate_is_good_and_what_all_of_them_miss():
    names = ("good", "high")
    fit = combined_estimate.fit_combination(table(200, RNG), names)
    assert fit.weights[0] > 0.8 and abs(fit.weights[1]) < 0.2
    only = combined_estimate.fit_combination(table(200, RNG), names[1:])
    assert only.value({"high": 0.65}) == pytest.approx(0.55, abs=0.05)


def test_without_a_table_the_value_is_the_mean_and_the_interval_says_nothing():
    assert estimate({"a": 0.5, "b": 0.7, "c": math.nan}) == (pytest.approx(0.6), 0.0, 1.0)
    value, low, high = estimate({"a": math.nan})
    assert math.isnan(value) and (low, high) == (0.0, 1.0)
    rows = table(12, RNG)
    assert estimate({"other": 0.5}, rows)[1:] == (0.0, 1.0)  # the table knows nothing of this estimate


def test_the_half_width_is_the_quantile_of_residuals_by_task():
    nine = {str(i): [i / 100] for i in range(9)}
    assert combined_estimate.half_width(nine) == 0.08 and combined_estimate.half_width(nine, 0.8) == 0.07
    assert combined_estimate.half_width(dict([*nine.items()][:8])) == 1  # 8 / 9 < 0.9
    assert combined_estimate.half_width(dict([*nine.items()][:8]), 0.85) == 0.07
    uneven = {"a": [0.1] * 99 + [0.5], "b": [0.2]}
    assert combined_estimate.half_width(uneven, 0.33) == 0.1
    assert combined_estimate.half_width(uneven, 0.34) == 0.2


def test_the_interval_is_made_of_residuals_of_tasks_that_the_fit_has_not_seen():
    rows, names, asked = table(12, RNG), ("good", "high"), {"good": 0.6, "high": 0.7}
    others = [row for row in rows if row.task != "t3"]
    fit = combined_estimate.fit_combination(others, names)
    residuals = {}
    for row in others:
        without = combined_estimate.fit_combination([one for one in others if one.task != row.task], names)
        residuals.setdefault(row.task, []).append(abs(row.truth - without.value(row.estimates)))
    width = combined_estimate.half_width(residuals)
    value = fit.value(asked)
    assert estimate(asked, rows, "t3") == (value, value - width, value + width)
    assert estimate(asked, rows, "t3") == estimate(asked, others) != estimate(asked, rows)


def test_the_truth_of_the_task_in_question_changes_nothing():
    rows = table(12, RNG)
    turned = [row._replace(truth=1 - row.truth) if row.task == "t3" else row for row in rows]
    asked = {"good": 0.6, "high": 0.7}
    assert estimate(asked, rows, "t3") == estimate(asked, turned, "t3")
    assert estimate(asked, rows, "t4") != estimate(asked, turned, "t4")


def test_an_estimate_that_other_tasks_lack_is_not_used():
    rows = table(12, RNG)
    short = [row._replace(estimates={"good": row.estimates["good"], "high": math.nan}) for row in rows]
    assert estimate({"good": 0.6, "high": 0.9}, short) == estimate({"good": 0.6}, rows)


@pytest.mark.parametrize(("tasks", "level"), [(12, 0.9), pytest.param(30, 0.9, marks=pytest.mark.slow), (12, 0.5)])
def test_the_interval_holds_the_truth_as_often_as_it_says(tasks, level):
    """Of new tasks, whose rows err together; an interval of rows instead of tasks would hold it less often."""
    held, widths = [], []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        rows = table(tasks, rng)
        asked = table(1, rng)[0]
        _, low, high = estimate(asked.estimates, rows, level=level)
        held.append(low <= asked.truth <= high)
        widths.append(high - low)
    assert level - 0.04 < np.mean(held) < level + 0.09
    assert np.median(widths) < 0.25
