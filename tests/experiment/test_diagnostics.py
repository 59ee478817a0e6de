"""What tells whether a training is well: its numbers, and words where a known failure shows."""

import json
import time

import numpy as np
import pytest
import tensorflow as tf
import tiny

from configs import digits
from tfuda.core import step_signs
from tfuda.evaluation import evaluate
from tfuda.experiment import build, diagnostics, training
from tfuda.experiment.workdir import Workdir
from tfuda.profiling import step_time

pytestmark = pytest.mark.usefixtures("few_digits")

rng = np.random.default_rng(0)


def seen(features, logits=None):
    return evaluate.Seen(features, np.zeros([len(features), 4]) if logits is None else logits)


def test_the_distance_of_domains_is_two_apart_and_zero_together():
    features = rng.normal(size=[400, 20]).astype("f4")
    assert diagnostics.a_distance(features, features + 8) == pytest.approx(2.0)
    assert diagnostics.a_distance(features[:200], features[200:]) < 0.35
    half_way = features + np.eye(20)[0] * 1.35  # whose best classifier is wrong in a quarter of the cases
    assert diagnostics.a_distance(features, half_way) == pytest.approx(1.0, abs=0.25)


def test_a_large_domain_beside_a_small_one_counts_no_more():
    few, many = rng.normal(size=[40, 5]), rng.normal(size=[2000, 5])
    assert diagnostics.a_distance(few, many) < 0.7  # to call all of them the large one is wrong in half of the cases


def test_more_features_than_images_are_no_error():
    assert 0 <= diagnostics.a_distance(rng.normal(size=[10, 300]), rng.normal(size=[9, 300])) <= 2
    assert np.isnan(diagnostics.a_distance(rng.normal(size=[10, 3]), np.full([9, 3], np.nan)))
    assert diagnostics.a_distance(rng.normal(size=[2, 3]), rng.normal(size=[2, 3])) == 0


def test_vitals_of_a_network_that_sees_one_class():
    features = np.tile([[3.0, 4.0]], [10, 1])
    logits = np.tile([[9.0, 0, 0, 0]], [10, 1])
    logits[0] = [0, 0.1, 0, 0]
    found = diagnostics.vitals(seen(2 * features), seen(features, logits))
    expected = {"pseudo_rate": 0.9, "largest_class": 0.9, "source_norm": 10, "target_norm": 5, "dead": 1.0}
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    assert set(found) == set(diagnostics.VITALS)


WELL = {"discriminator": 0.7, "reversal": 0.9, "a_distance": 1.2, "largest_class": 0.2, "dead": 0.1}


def rows(*changes):
    return [{**WELL, "step": 100.0 * i, **change} for i, change in enumerate(changes)]


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("won", {"discriminator": 0.99}, "is right in 99% of the cases: it has won"),
        ("collapsed", {"discriminator": 0.5}, "(A-distance 1.2 of 2): it has collapsed"),
        ("swallowed", {"largest_class": 0.8}, "one class takes 80% of the target's images"),
        ("dead", {"dead": 0.75}, "75% of the features are the same"),
    ],
)
def test_a_failure_is_said_once_when_it_lasts(name, change, words):
    assert diagnostics.complaints(rows(*[{}] * 9), 10, 800) == {}
    assert diagnostics.complaints(rows(*[{}] * 4, change, change, {}, change, change), 10, 800) == {}
    assert diagnostics.complaints(rows(change, change, change, *[{}] * 6), 10, 800) == {}  # the first quarter
    said = diagnostics.complaints(rows(*[{}] * 3, *[change] * 6), 10, 800)
    assert set(said) == {name} and said[name].startswith("step 500: ") and words in said[name]


def test_what_a_method_does_not_have_is_no_failure():
    without = [{key: value for key, value in row.items() if key != "discriminator"} for row in rows(*[{}] * 9)]
    assert diagnostics.complaints(without, 10, 800) == {}
    assert diagnostics.complaints(rows(*[{"discriminator": 0.0}] * 9), 10, 800) == {}  # no adversarial loss
    assert diagnostics.complaints([{"step": 100.0, "loss": 1.0}] * 9, 10, 800) == {}  # generators of pairs


def test_every_row_has_the_health_of_its_segment(eager, tmp_path):
    made = tiny.config("dannp", steps=2, segment=1)
    training.train_run(made, Workdir(tmp_path))
    row = Workdir(tmp_path).rows()[0]
    assert {*diagnostics.COLUMNS, "discriminator"} <= set(row)
    task, method = tiny.prepared(made)
    gradients, terms, *_ = method.combine(method, build.streams(made, task).load(0))
    for name, chosen in {
        "gradient_backbone": lambda path: "backbone" in path,
        "gradient_head": lambda path: path.startswith("network/head"),
        "gradient_discriminator": lambda path: path.startswith("discriminator"),
    }.items():
        own = [g for v, g in zip(method.trainable_variables, gradients) if chosen(v.path)]
        assert row[name] == pytest.approx(float(tf.linalg.global_norm(own)), rel=1e-4)
    assert row["reversal"] == 0 and row["discriminator"] == pytest.approx(float(terms["discriminator"]))


def test_the_discriminators_share_of_right_verdicts():
    made = tiny.config("dannp")
    task, method = tiny.prepared(made)
    batch = build.streams(made, task).load(0)
    verdicts = {"source": tf.constant([[1.0]] * 6 + [[-1.0]] * 2), "target": tf.constant([[2.0]] * 8)}
    assert float(method.seen_through(batch, verdicts)["discriminator"]) == pytest.approx(6 / 16)
    method.width = 2
    verdicts = {name: tf.concat([-value, value], -1) for name, value in verdicts.items()}
    assert float(method.seen_through(batch, verdicts)["discriminator"]) == pytest.approx(6 / 16)


@pytest.mark.slow
def test_health_costs_little(monkeypatch):
    """The steps of both take turns; and what is looked at after a segment, beside a default segment of steps."""

    def step():
        return step_time.one_step(digits.get_config("dannp+toalign"), 32)

    watched, zero = step(), lambda method, gradients: dict.fromkeys(step_signs.SIGNS, tf.zeros([]))
    watched()  # is traced with its signs
    monkeypatch.setattr(step_signs, "signs", zero)
    times = step_time.measure({"blind": step(), "watched": watched}, 25)
    row = step_time.ratios(times, "blind")[1]
    domain = seen(rng.normal(size=[2000, 64]), rng.normal(size=[2000, 10]))
    start = time.perf_counter()
    diagnostics.vitals(domain, domain)
    share = 1000 * (time.perf_counter() - start) / (100 * row["milliseconds"])
    print(f"a step with its signs: {row['ratio']:.3f} ({row['low']:.3f} to {row['high']:.3f}); vitals {share:.3f}")
    assert row["ratio"] < 1.1 and share < 0.05


@pytest.mark.slow
def test_the_result_of_a_sick_run_says_so(eager, tmp_path):
    said = []
    made = tiny.config("source_only", steps=8, segment=1)
    made.optimizer.rate = 30.0
    result = training.train_run(made, Workdir(tmp_path), say=said.append)
    assert result["complaints"] and json.loads((tmp_path / "result.json").read_text()) == result
    for sentence in result["complaints"]:
        assert sum(sentence in line for line in said) == 1
        assert sentence in training.summary_table(result)


@pytest.mark.parametrize(
    "cell, neck, warned",
    [("dannp+toalign", "linear", True), ("dannp+toalign", "norm", False), ("dannp", "linear", False)],
)
def test_toalign_on_features_that_can_be_negative_is_a_warning(cell, neck, warned):
    made = tiny.config(cell)
    made.network.bottleneck, made.network.neck = 16, neck
    made.samplers.target = "balanced"  # by classes that are not known yet
    task, method = tiny.prepared(made)
    said = diagnostics.negative_features(method, build.streams(made, task))
    assert ("take --config.network.neck=norm" in said) == warned
    made.network.bottleneck, made.network.neck = 0, "linear"  # pooled after a ReLU
    task, method = tiny.prepared(made)
    assert diagnostics.negative_features(method, build.streams(made, task)) == ""
