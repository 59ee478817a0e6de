"""Estimates, choices and confidences that are held against target labels, over runs of several variants."""

import csv
import json

import numpy as np
import pytest
import tiny

from tfuda.experiment import build
from tfuda.studies import calibration_study, choices_study, estimates_study, labelled_runs
from tfuda.studies.choices_study import Choice

DOMAINS = "RSMH"
TASKS = [f"{one}-{two}" for one in DOMAINS for two in DOMAINS if one != two]
VARIANTS = {"plain": {}, "partial": {"target_classes": 5}, "imbalanced": {"imbalance": "target"}}


def logits(labels, share, rng):
    """Logits of 10 classes that are right for a share of the labels, and unsure where they are wrong."""
    right = rng.random(len(labels)) < share
    seen = np.where(right, labels, (labels + 1) % 10)
    noise = rng.normal(0, 0.3, (len(labels), 10))
    return (np.eye(10)[seen] * np.where(right, 6, 2)[:, None] + noise).astype("float16")


def a_run(folder, config, labels, accuracy, rng):
    """A run's folder as training leaves it, with outputs that are right for a share of the target."""
    folder.mkdir(parents=True)
    own = np.arange(100) % 10
    np.savez(
        folder / "outputs.npz",
        source_logits=logits(own, 0.9, rng),
        source_labels=own,
        target_logits=logits(labels, accuracy, rng),
    )
    (folder / "config.json").write_text(json.dumps({"config": config.to_dict()}))
    (folder / "result.json").write_text(json.dumps({"last": accuracy}))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The candidates on six tasks, one of which has all three variants."""
    home, rng = tmp_path_factory.mktemp("runs"), np.random.default_rng(0)
    for number, task in enumerate(TASKS[:6]):
        for name, changes in VARIANTS.items() if number < 1 else [("plain", {})]:
            made = tiny.config("source_only", **changes)
            made.task = task
            labels = build.task(made).trains["target"].labels
            for place, cell in enumerate(labelled_runs.CANDIDATES):
                config = tiny.config(cell, **changes)
                config.task = task
                a_run(home / name / cell / task, config, labels, 0.4 + 0.08 * number + 0.01 * place, rng)
    (home / "plain" / "dann" / TASKS[5] / "outputs.npz").unlink()  # so one group is not complete
    return home


@pytest.fixture(scope="module")
def report(runs):
    """The folder of the report."""
    return estimates_study.write_report([str(runs)], str(runs / "out"), lambda line: None).parent


@pytest.fixture(scope="module")
def seen(runs):
    """What was estimated of every run."""
    return estimates_study.study(labelled_runs.complete(labelled_runs.runs_below([runs])))


def table(path):
    with open(path, encoding="utf-8") as file:
        return [*csv.DictReader(file)]


def test_only_complete_groups_count_and_every_variant_does(report):
    rows = table(report / "estimates.csv")
    assert len(rows) == (5 + 1 + 1) * 5 and {row["variant"] for row in rows} == {*labelled_runs.VARIANTS}
    assert TASKS[5] not in {row["task"] for row in rows}
    assert [row["variant"] for row in table(report / "choices.csv")] == ["plain"] * 5 + ["partial", "imbalanced"]


def test_estimates_are_held_against_the_truth(report, seen):
    text = (report / "estimates.md").read_text()
    assert "| combined |" in text and "| combined, with iwcv |" in text and "| all | 35 | 5 |" in text
    error = [abs(value.value - one.truth) for one, value in zip(seen, estimates_study.held(seen))]
    assert np.mean(error) < 0.1  # confidence follows accuracy in these outputs
    assert (report / "estimates.png").stat().st_size > 10_000


def test_variants_of_a_task_are_left_out_together(seen):
    place = next(i for i, one in enumerate(seen) if (one.variant, one.task) == ("plain", TASKS[0]))
    changed = [one._replace(truth=0.0) if one.task == TASKS[0] else one for one in seen]
    assert estimates_study.held(changed)[place] == estimates_study.held(seen)[place]


def test_accuracy_is_that_of_the_unlabelled_pictures(runs):
    found = [run for run in labelled_runs.runs_below([runs / "imbalanced"]) if run.cell == "dann"]
    for run in found:
        made = tiny.config("dann", imbalance="target")
        made.task = run.task
        labels = build.task(made).trains["target"].labels
        assert run.truth == (run.outputs.target_logits.argmax(1) == labels).mean()
        assert len(labels) < len(build.task(made).tests["target"].labels)


def test_confidences_that_are_too_low_are_mended_by_temperature(report):
    rows = {(row["variant"], row["cell"]): row for row in table(report / "ece.csv")}
    assert len(rows) == 15 and rows["plain", "dann"]["runs"] == rows["plain", "source_only"]["runs"] == "5"
    labels = np.arange(4000) % 10
    rng = np.random.default_rng(0)
    source, target = (2 * np.eye(10)[labels] + rng.normal(size=[4000, 10]) for _ in range(2))  # T = 1/2
    one = labelled_runs.choice.Candidate("dann", source, labels, target)
    run = labelled_runs.Run("plain", "R-S", 0, one, labels, np.ones(4000))
    before, heated, weighted, matched = calibration_study.errors(run, run.truth)
    assert before > 0.1 and heated < 0.03 and weighted == heated and matched < 0.03


def chosen(variant, accuracy, plain=0.5, best=0.7):
    return Choice(variant, "R-S", 0, "dann", accuracy, plain, "dannp", best, accuracy, accuracy - 0.1, 0.65)


def test_the_summary_counts_what_ends_below_source_only():
    found = [chosen("plain", 0.6), chosen("plain", 0.7), chosen("partial", 0.48, best=0.5), chosen("partial", 0.495)]
    lines = choices_study.summary(found)[2:]
    assert lines[0] == "| plain | 2 | 0 | +10.0 | +15.0 | 75 % | 50 % |"
    assert lines[1].startswith("| partial | 2 | 1 | -2.0 |") and lines[2].startswith("| all | 4 | 1 | -2.0 |")


def test_choices_are_read_as_they_were_written(tmp_path):
    found = [chosen("plain", 0.6), chosen("imbalanced", 0.25)]
    (tmp_path / "choices.csv").write_text(choices_study.as_csv(found))
    assert choices_study.read(tmp_path / "choices.csv") == found


def test_a_folder_without_such_runs_is_one_sentence(tmp_path, runs):
    with pytest.raises(ValueError, match=r"no finished run with outputs\.npz"):
        labelled_runs.runs_below([tmp_path])
    with pytest.raises(ValueError, match="no task and seed has a finished run of each of source_only, "):
        labelled_runs.complete(labelled_runs.runs_below([runs / "plain" / "dannp"]))
