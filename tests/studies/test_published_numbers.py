"""The papers' printed numbers: whole, named as ours are, and consistent but for the misprints that are named."""

import importlib
import re
import statistics
import tomllib

import pytest
from commands import ROOT

from tfuda.data import catalogue
from tfuda.experiment import cells, defaults
from tfuda.studies import published_numbers

COUNTS = {
    "toalign": {"1": 208, "2": 98, "3": 7, "4": 3, "5": 80, "6": 80, "7": 7},
    "biwaa": {"1": 91, "2": 169, "3": 156, "4": 10, "5": 8},
    "gsda": {"1": 28, "2": 105, "3": 104, "4": 117},
    "daaa": {"1": 10, "2": 56, "3": 45, "4": 8},
    "tada": {"1": 98, "2": 91},
}


def lines():
    """Whole lines of the tables: (paper, table, data, method) -> {task: value}."""
    found = {}
    for row in published_numbers.rows():
        place = tuple(row[key] for key in ("paper", "table", "data", "method"))
        found.setdefault(place, {})[row["task"]] = row
    return found


def test_every_number_of_every_table_is_there_once():
    found = {paper: {} for paper in COUNTS}
    for row in published_numbers.rows():
        found[row["paper"]][row["table"]] = found[row["paper"]].get(row["table"], 0) + 1
    assert found == COUNTS
    places = [tuple(row.values())[:8] for row in published_numbers.rows()]
    assert len({*places}) == len(places)


def test_values_are_percentages_as_printed_and_only_what_is_very_low_has_none():
    for row in published_numbers.rows():
        assert row["value"] or row["note"] == "very low", row
        assert not row["value"] or (re.fullmatch(r"\d+(\.\d+)?", row["value"]) and 0 <= float(row["value"]) <= 100)
        assert not row["deviation"] or 0 <= float(row["deviation"]) < 5, row


def test_data_settings_and_tasks_are_those_of_the_configs():
    settings_of = {"domainnet": {"multi"}, "domainnet126": {"semi-1", "semi-3"}}
    for data in {row["data"] for row in published_numbers.rows()}:
        here = [row for row in published_numbers.rows() if row["data"] == data]
        file = importlib.import_module(f"configs.{data}")
        known = {*file.TASKS["all"], "average", *(catalogue.set_of(data).classes if data == "visda" else ())}
        assert {row["task"] for row in here} <= known
        assert {row["setting"] for row in here} == settings_of.get(data, {"single"})
        assert {row["backbone"] for row in here} - {"", "resnet101"} <= {file.get_config("dann").network.name}


def test_every_cell_is_one_of_the_grid_under_the_name_that_results_have():
    for cell in {row["cell"].partition("~")[0] for row in published_numbers.rows()} - {""}:
        text, at, recipe = cell.partition("@")
        assert cells.parse_cell(text).cell + at + recipe == cell


def test_metrics_and_ways_of_choosing_are_those_of_the_authors_code():
    metrics = {row["metric"]: set() for row in published_numbers.rows()}
    chosen = set()
    for row in published_numbers.rows():
        metrics[row["metric"]].add((row["paper"], row["table"]))
        assert row["chosen"] in ("", "best")
        chosen |= {row["cell"]} if row["chosen"] else set()
    assert metrics["mean_class"] == {("gsda", "4"), ("biwaa", "3")} and metrics["both"] == {("biwaa", "3")}
    assert {"cdan", "cdane", "gvb", "gvb+metaalign", "dannp", "dannp+toalign", "hda+toalign"} <= chosen
    assert not chosen & {"hda@hda", "tada", "gsda", "mstn+biwaa", "daaa", "source_only", "dann", "afn"}


def test_an_average_is_that_of_its_row_but_for_the_misprints_that_are_named():
    """Entries are rounded, and so is the average: it may be one unit off."""
    named, found = set(), set()
    for place, row in lines().items():
        whole = row.pop("average", None)
        if whole is None or not row or not whole["value"]:
            continue
        unit = 10 ** -len(whole["value"].partition(".")[2])
        mean = statistics.fmean(float(entry["value"]) for entry in row.values())
        if whole["note"].startswith("misprint"):
            named.add(place)
            assert whole["note"].endswith(f"{mean:.2f}") or abs(float(whole["note"].split()[-1]) - mean) < 0.006
        if abs(mean - float(whole["value"])) > unit + 1e-9:
            found.add(place)
    assert found == named and len(found) == 7


def test_a_table_gets_the_rows_of_its_data_setting_and_network():
    config = defaults.default_config("dann")
    config.update(data="office31", task="A-W")
    config.network.name = "resnet50"
    found = published_numbers.for_table(config, ("A-W", "D-A"))
    assert found["dann"] == [
        published_numbers.Quote("BIWAA Table 1, GSDA Table 2, DAAA Table 2, TADA Table 1", {"A-W": 82.0, "D-A": 68.2})
    ]
    assert [quote.values["A-W"] for quote in found["dan"]] == [68.5, 80.5]
    config.network.name = "resnet101"
    assert published_numbers.for_table(config, ("A-W",)) == {}


def test_an_average_is_quoted_only_where_it_is_over_the_same_tasks():
    config = defaults.default_config("dann")
    config.update(data="office31", task="A-W")
    config.network.name = "resnet50"
    every = published_numbers.for_table(config, ("A-W", "D-W", "W-D", "A-D", "D-A", "W-A"))
    four = published_numbers.for_table(config, ("A-W", "A-D", "D-A", "W-A"))
    assert every["daaa"][0].values["average"] == 87.2 and four["daaa"][0].values["average"] == 80.9
    assert every["afn+biwaa"][0] == published_numbers.Quote("BIWAA Table 4", {"average": 87.5})
    config.update(data="visda", task="S-R")
    mean = published_numbers.for_table(config, ("S-R",), "mean_class")
    assert mean["gsda"][0].values == {"average": 81.5, "S-R": 81.5} and "hda+toalign" not in mean
    assert "gsda" not in published_numbers.for_table(config, ("S-R",), "accuracy")


@pytest.mark.parametrize(
    "key, value, wanted",
    [("shots", 3, "semi-3"), ("task", "A+B-C", "multi"), ("partial", "first", ""), ("steps", 8, "single")],
)
def test_the_setting_follows_from_the_config(key, value, wanted):
    config = defaults.default_config("dann")
    config.task = "A-B"
    config[key] = value
    assert published_numbers.setting(config) == wanted


def test_an_installed_package_has_the_tables():
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert {"published.csv", "paper_tables.toml"} <= {*shipped["tfuda.studies"]} and "*.toml" in shipped[
        "tfuda.data.catalogue"
    ]
