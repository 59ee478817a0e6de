"""Results that are read back where the runs are gone."""

import csv
import json

import pytest
import tiny

from tfuda.studies import benchmark, grid, kept_results, tables


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
    found = kept_results.known_rows([kept], runs(kept))
    assert found["dann", "R-S", 0] == a_row("dann", "R-S", 0, 0.625)
    assert [*found] == [("source_only", "R-S", 0), ("dann", "R-S", 0), ("dann", "M-H", 0)]
    about = json.loads((kept / "results.json").read_text())
    assert {*about} == {"versions", "settings"} and {*about["settings"]} == {"source_only", "dann"}


def test_other_settings_are_refused(kept):
    with pytest.raises(ValueError, match="has results of source_only with other settings: leave out --known"):
        kept_results.known_rows([kept], runs(kept, batch=4))
    (kept / "results.json").write_text("{}")
    with pytest.raises(ValueError, match=r"results\.json is damaged"):
        kept_results.known_rows([kept], runs(kept))


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
