"""The papers' tables as grids of runs: rows resolve, pairs differ in one part, and nothing printed is left out."""

import importlib

import pytest
import tiny

from tfuda.data import catalogue
from tfuda.experiment import build, validation
from tfuda.experiment.workdir import Workdir
from tfuda.studies import grid, paper_tables, published_numbers, tables

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")

PAPERS = {"toalign": 7, "biwaa": 5, "gsda": 4, "tada": 2, "daaa": 4}
TRAINS = ("optimizer", "view", "steps", "segment", "batch", "batches", "passes", "network", "network_options")
EVERY = paper_tables.every()


def test_every_table_of_the_five_papers_is_there():
    for paper, count in PAPERS.items():
        for number in range(1, count + 1):
            assert paper_tables.parts(f"{paper}.{number}")
    assert paper_tables.parts("gsda.partial") and len(paper_tables.parts("biwaa.4")) == 2
    assert [part.name for part in paper_tables.parts("biwaa.4.office_home")] == ["biwaa.4.office_home"]


@pytest.mark.parametrize("name", EVERY)
def test_every_run_of_a_table_resolves_to_a_config_that_makes_sense(name, tmp_path):
    table = EVERY[name]
    known = importlib.import_module(f"configs.{table.config}").TASKS["all"]
    runs = paper_tables.make_runs(table, tmp_path, seeds=1)
    assert len(runs) == len(table.rows) * len(table.tasks) and table.seeds == 3
    assert {run.task for run in runs} == {*table.tasks} <= {*known}
    for run in runs[: len(table.rows)]:
        validation.check_config(run.config)
        assert build.kind(run.config) and run.config.data == table.config
        if run.config.partial:
            assert catalogue.part(run.config.data, run.config.partial)
        if table.name.startswith(("toalign.5", "toalign.6")):
            assert f"semi-{run.config.shots}" == {"5": "semi-1", "6": "semi-3"}[name[-1]]


def test_a_table_has_its_three_seeds_where_a_command_asks_for_no_other_count(tmp_path):
    table = EVERY["daaa.4"]
    runs = paper_tables.make_runs(table, tmp_path)
    assert len(runs) == len(table.rows) * len(table.tasks) * 3 and {run.seed for run in runs} == {0, 1, 2}


@pytest.mark.parametrize("name", [name for name, table in EVERY.items() if table.pairs])
def test_one_recipe_trains_both_rows_of_a_pair(name, tmp_path):
    table = EVERY[name]
    configs = {run.cell: run.config for run in paper_tables.make_runs(table, tmp_path, seeds=1)}
    for base, other in table.pairs:
        a, b = configs[base], configs[other]
        assert [key for key in TRAINS if a[key] != b[key]] == []
        if a.method == b.method and "mstn" not in base:  # what BIWAA adds to MSTN is more than its weights
            assert (a.samplers, a.beliefs) == (b.samplers, b.beliefs)


def test_every_printed_row_of_a_method_of_ours_stands_in_its_table_under_the_name_of_its_results():
    printed: dict[tuple[str, str], set[str]] = {}
    for row in published_numbers.rows():
        if row["cell"]:
            backbone = row["backbone"] if row["data"] == "visda" else ""
            printed.setdefault((f"{row['paper']}.{row['table']}", f"{row['data']}{backbone}"), set()).add(row["cell"])
    for (name, place), cells in printed.items():
        here = [part for part in paper_tables.parts(name) if place.startswith(part.config)]
        here = [part for part in here if not place.startswith("visda") or place.endswith(_network(part))]
        assert cells <= {row.name for part in here for row in part.rows}, (name, place)


def _network(part):
    return paper_tables.config_of(part, part.rows[0]).network.name


def test_every_table_with_the_paper_s_own_method_names_a_pair():
    bare = {name for name, table in EVERY.items() if not table.pairs}
    assert bare == {"biwaa.5", "gsda.4.resnet101", *(name for name in EVERY if name.startswith("biwaa.figure5"))}


def test_a_row_is_named_by_all_that_it_sets(tmp_path):
    table = EVERY["biwaa.5"]
    assert table.rows[0].name == "mstn+biwaa~rounds=10~beliefs.rate=1.0~rounds.rate=1.0~beliefs.fade=0"
    runs = paper_tables.make_runs(table, tmp_path, seeds=1, tasks=["A-W"])
    assert [run.config.beliefs.rate for run in runs] == [1.0, 0.9, 1.0, 0.9, 1.0, 0.9, 1.0, 0.9]
    assert runs[-1].workdir.path == tmp_path / "mstn+biwaa~rounds=10" / "A-W" / "seed0" / "round9"
    assert {run.rounds for run in runs} == {10}


def test_a_part_of_a_table_is_named_by_cells_tasks_and_seeds(tmp_path):
    runs = paper_tables.make_runs(EVERY["toalign.1"], tmp_path, 1, ["hda", "dannp+toalign"], ["A-C"])
    assert [(run.cell, run.task, run.seed) for run in runs] == [("dannp+toalign", "A-C", 0), ("hda", "A-C", 0)]
    with pytest.raises(ValueError, match=r"^--methods: toalign.4 has no row 'gvb'; its rows are dannp, "):
        paper_tables.make_runs(EVERY["toalign.4"], tmp_path, rows=["gvb"])
    with pytest.raises(ValueError, match=r"^--tasks: daaa.4 has no task 'A-W'; its tasks are D-A, W-A$"):
        paper_tables.make_runs(EVERY["daaa.4"], tmp_path, tasks=["A-W"])


def test_what_a_command_changes_comes_after_the_table_s_settings(tmp_path):
    def change(config):
        config.shots = 2

    assert paper_tables.make_runs(EVERY["toalign.5"], tmp_path, 1, change=change)[0].config.shots == 2


def test_an_unknown_table_is_answered_by_the_known_ones():
    for name in ("toalign.9", "toalign", "tables"):
        with pytest.raises(ValueError, match=rf"^unknown --table='{name}'.*the tables are toalign.1, .*, daaa.4$"):
            paper_tables.parts(name)


def test_the_table_brings_its_config_where_the_command_names_none():
    assert paper_tables.config_named(["--table=toalign.2", "--seeds=1"])[0] == "--config=domainnet"
    assert paper_tables.config_named(["--table", "biwaa.4"])[0] == "--config=office31"
    for words in (["--table=toalign.2", "--config=mine.py"], ["--config=digits", "--methods=dann"]):
        assert paper_tables.config_named(words) == words


def test_a_line_is_made_once_and_each_run_has_a_config_of_its_own(tmp_path):
    made, changed = [], []

    def whole():
        made.append(tiny.config("dann"))
        return made[-1]

    runs = grid.lay_out([grid.Line("", whole)], ["R-S", "M-H"], [0, 1], tmp_path, changed.append)
    assert len(made) == len(changed) == 1 and changed[0] is made[0]
    assert [(run.config.task, run.config.seed) for run in runs] == [("R-S", 0), ("M-H", 0), ("R-S", 1), ("M-H", 1)]
    runs[0].config.options.width = 7
    assert runs[1].config.options.width == made[0].options.width == 1


@pytest.mark.slow
def test_a_row_in_rounds_is_measured_in_its_last_round_and_read_again_from_the_folder(tmp_path):
    lines = [
        grid.Line("mstn+biwaa~rounds=2", lambda: tiny.config("biwaa", steps=2, segment=2), 2),
        grid.Line("", lambda: tiny.config("biwaa", steps=2, segment=2)),
    ]
    runs = grid.lay_out(lines, ["R-S"], [0], tmp_path)
    rows, diverged = grid.perform_runs(runs, lambda line: None)
    assert diverged == 0 and [row["cell"] for row in rows] == ["mstn+biwaa~rounds=2", "mstn+biwaa"]
    home = tmp_path / "mstn+biwaa~rounds=2" / "R-S" / "seed0"
    assert rows[0]["last"] == Workdir(home / "round1").finished()["last"]
    assert rows[1]["last"] == Workdir(home / "round0").finished()["last"]  # the same run
    assert len((home / "rounds.csv").read_text().splitlines()) == 3
    tables.write_report(rows, tmp_path)
    before = (tmp_path / "results.md").read_text()
    tables.of_folder([str(tmp_path)], "", lambda line: None)
    assert (tmp_path / "results.md").read_text() == before
    assert grid.missing(runs) == 0


@pytest.mark.parametrize("name", EVERY)
def test_the_docstring_of_the_config_names_every_row_of_its_tables(name):
    table = EVERY[name]
    text = " ".join((importlib.import_module(f"configs.{table.config}").__doc__ or "").split())
    assert f"--table={name}" in text or name in text.split(), name
    for row in table.rows:
        assert row.name in text, row.name
