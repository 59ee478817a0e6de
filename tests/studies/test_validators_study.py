"""The study of validators against straight lines, on runs whose numbers are made up."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from tfuda.evaluation import validators
from tfuda.studies import validators_study as report

ALL = [*validators.ALL]


def run(folder, task, table, metric="accuracy"):
    """A finished run: rows of (accuracy, *values of ALL)."""
    folder.mkdir(parents=True)
    lines = [",".join(["step", f"target_{metric}", *map(validators.column, ALL)])]
    lines += [",".join(map(str, [100 * (i + 1), *row])) for i, row in enumerate(table)]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    result = {"task": task, "oracle": 1.0, "metric": metric}
    (folder / "result.json").write_text(json.dumps(result))


@pytest.fixture
def runs(tmp_path):
    rng = np.random.default_rng(0)
    tables = {("one", "A"): 5, ("two", "A"): 6, ("three", "B"): 4}
    made = {}
    for (name, task), count in tables.items():
        made[name] = rng.uniform(size=[count, 1 + len(ALL)]).round(2)
        run(tmp_path / name / "seed0", task, made[name])
    return tmp_path, made


def test_the_study_equals_its_definitions(runs):
    folder, made = runs
    lines = {line.name: line for line in report.compare_validators(report.runs([folder]))}
    for name in ALL:
        sign, column = validators.ALL[name].sign, 1 + ALL.index(name)
        one, two, three = (spearmanr(sign * table[:, column], table[:, 0])[0] for table in made.values())
        within = [(one + two) / 2, three]
        assert lines[name].within[0] == pytest.approx(np.mean(within))
        assert lines[name].within[1] == pytest.approx(np.std(within, ddof=1) / 2**0.5)
        both = np.concatenate([made["one"], made["two"]])
        across = [spearmanr(sign * t[:, column], t[:, 0])[0] for t in (both, made["three"])]
        assert lines[name].across[0] == pytest.approx(np.mean(across))
        lost = [100 * (t[:, 0].max() - t[(sign * t[:, column]).argmax(), 0]) for t in made.values()]
        assert lines[name].checkpoint[0] == pytest.approx(((lost[0] + lost[1]) / 2 + lost[2]) / 2)
        among = [100 * (t[:, 0].max() - t[(sign * t[:, column]).argmax(), 0]) for t in (both, made["three"])]
        assert lines[name].run[0] == pytest.approx(np.mean(among))
    last = [100 * (t[:, 0].max() - t[-1, 0]) for t in made.values()]
    assert lines["last"].checkpoint[0] == pytest.approx(((last[0] + last[1]) / 2 + last[2]) / 2)
    ends = [np.mean([100 * made[name][-1, 0] for name in ("one", "two")]), 100 * made["three"][-1, 0]]
    bests = [100 * both[:, 0].max(), 100 * made["three"][:, 0].max()]
    assert lines["last"].run[0] == pytest.approx(np.mean(np.subtract(bests, ends)))


def test_the_table_has_the_smallest_loss_first_and_counts_what_was_looked_at(runs):
    folder, _ = runs
    of = report.runs([folder, folder / "one"])  # a run that is named twice counts once
    lines = report.compare_validators(of)
    assert [line.checkpoint[0] for line in lines] == sorted(line.checkpoint[0] for line in lines)
    text = report.markdown(lines, of)
    assert text.startswith("3 runs on 2 tasks, 15 evaluations") and text.count("| lower |") == 3


def test_the_report_is_a_table_and_a_picture(runs):
    folder, _ = runs
    said = []
    report.write_report([str(folder)], "", said.append)
    assert (folder / "validators.md").read_text() in said[0]
    assert (folder / "validators.png").read_bytes()[:4] == b"\x89PNG"


def test_a_validator_that_one_run_lacks_is_left_out(runs):
    folder, _ = runs
    table = (folder / "one" / "seed0" / "metrics.csv").read_text().replace("val_dev", "val_deviant")
    (folder / "one" / "seed0" / "metrics.csv").write_text(table)
    assert report.names(report.runs([folder])) == [name for name in ALL if name != "dev"]


def test_a_value_that_stands_still_has_no_correlation():
    assert np.isnan(report.correlation([1, 1, 1], [1, 2, 3])) and np.isnan(report.correlation([1, 2], [1, 2]))
    assert report.mean([1.0, float("nan"), 3.0]) == (2.0, 1.0)


def test_folders_without_runs_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere: there is no such folder of runs"):
        report.runs([tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="no finished run with a labelled target below"):
        report.runs([tmp_path])
