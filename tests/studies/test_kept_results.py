"""Results that are read back, and estimates that are held against the truth."""

import csv
import json

import numpy as np
import pytest
import tiny

from tfuda.studies import benchmark, estimates_study, grid, kept_results, tables


def a_row(cell, task, seed, last):
    result = {"last": last, "selected": last, "oracle": last, "source": 0.9, "seconds": 1.0, "metric": "accuracy"}
    return tables.row(cell, task, seed, result)


def runs(folder, **changes):
    def get_config(cell):
        return tiny.config(cell, **changes)

    return grid.make_grid(get_config, ["source_only", "dann"], ["R-S", "M-H"], [0], folder)


@pytest.fixture
def kept(tmp_path):
    """Results of three of four runs."""
    made = runs(tmp_path)
    rows = [a_row("source_only", "R-S", 0, 0.5), a_row("dann", "R-S", 0, 0.625), a_row("dann", "M-H", 0, 0.75)]
    tables.write_report(rows, tmp_path, (), [("source_only", "dann")])
    kept_results.write_about(made, rows, tmp_path)
    return tmp_path


def test_rows_are_read_as_they_were_written(kept):
    found = kept_results.known_rows(kept, runs(kept))
    assert found["dann", "R-S", 0] == a_row("dann", "R-S", 0, 0.625)
    assert [*found] == [("source_only", "R-S", 0), ("dann", "R-S", 0), ("dann", "M-H", 0)]
    about = json.loads((kept / "results.json").read_text())
    assert {*about} == {"versions", "settings"} and {*about["settings"]} == {"source_only", "dann"}


def test_other_settings_are_refused(kept):
    with pytest.raises(ValueError, match="has results of source_only with other settings: leave out --known"):
        kept_results.known_rows(kept, runs(kept, batch=4))
    (kept / "results.json").write_text("{}")
    with pytest.raises(ValueError, match=r"results\.json is damaged"):
        kept_results.known_rows(kept, runs(kept))


def test_only_what_is_missing_is_trained(kept, tmp_path, monkeypatch):
    trained = []

    def in_turn(rest, say):
        for place, run in enumerate(rest):
            trained.append((run.cell, run.task))
            with run.workdir.claim(run.config):
                run.workdir.record(run.config)
            yield grid.Outcome(place, True, a_row("", "", 0, 0.25))

    home = tmp_path / "again"
    job = benchmark.Job("", runs(home), (), [("source_only", "dann")], home)
    assert benchmark.perform(job, lambda line: None, in_turn, [kept]) == 0
    assert trained == [("source_only", "M-H")]
    with open(home / "results.csv", encoding="utf-8") as file:
        rows = {(row["cell"], row["task"]): float(row["last"]) for row in csv.DictReader(file)}
    assert rows == {("source_only", "R-S"): 0.5, ("dann", "R-S"): 0.625} | {
        ("source_only", "M-H"): 0.25,
        ("dann", "M-H"): 0.75,
    }


def a_run(folder, cell, task, accuracy, rng):
    """A run folder with outputs of four classes that are right for a share of the target."""
    folder.mkdir(parents=True)
    labels = np.arange(200) % 4

    def logits(share):
        right = rng.random(200) < share
        seen = np.where(right, labels, (labels + 1) % 4)
        return (np.eye(4)[seen] * np.where(right, 4, 1)[:, None] + rng.normal(0, 0.3, (200, 4))).astype("float16")

    np.savez(folder / "outputs.npz", source_logits=logits(0.9), source_labels=labels, target_logits=logits(accuracy))
    method, _, weigher = cell.partition("+")
    parts = {"method": method, "weigher": weigher, "combiner": "", "regulariser": ""}
    (folder / "result.json").write_text(json.dumps({**parts, "task": task, "seed": 0, "last": accuracy}))


def test_estimates_are_held_against_the_truth(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(11):
        for cell in ("source_only", "dann", "dannp+toalign"):
            accuracy = float(rng.uniform(0.3, 0.9))
            a_run(tmp_path / "runs" / cell / f"{number}-x", cell, f"{number}-x", accuracy, rng)
    path = estimates_study.write_report([str(tmp_path / "runs")], str(tmp_path / "out"), lambda line: None)
    text = path.read_text()
    assert "33 runs of 11 tasks" in text and "| combined |" in text
    found = estimates_study.study([tmp_path / "runs"])
    error = [abs(value.value - one.truth) for one, value in estimates_study.held(found)]
    assert np.mean(error) < 0.1  # confidence follows accuracy in these outputs
    with open(tmp_path / "out" / "estimates.csv", encoding="utf-8") as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == 33 and {row["cell"] for row in rows} == {"source_only", "dann", "dannp+toalign"}
    with open(tmp_path / "out" / "choices.csv", encoding="utf-8") as file:
        chosen = [*csv.DictReader(file)]
    assert len(chosen) == 11 and all(float(row["accuracy"]) <= float(row["best_accuracy"]) for row in chosen)
    assert (tmp_path / "out" / "estimates.png").stat().st_size > 10_000
    with pytest.raises(ValueError, match=r"no finished run with outputs\.npz"):
        estimates_study.study([tmp_path / "out"])
