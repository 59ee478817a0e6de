"""What a cell says in brackets arrives, whatever its recipe or the config's file would have."""

import importlib
import json
from pathlib import Path

import keras_tuner
import pytest
from absl import flags
from ml_collections import ConfigDict, config_flags

from tfuda.experiment import cells, recipes, validation
from tfuda.names import PARTS, modules

ROOT = Path(__file__).parents[2]
FILES = sorted(path.stem for path in (ROOT / "configs").glob("[a-z]*.py"))
CELLS = [*modules("methods"), *modules("weighers"), *modules("regularisers"), "gvb+metaalign"]
PLACES = {part: "options" if part == "method" else f"{part}_options" for part in PARTS}


def config(file, cell):
    return importlib.import_module(f"configs.{file}").get_config(cell)


def other(value):
    """Another value of the same type, which no recipe has."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, tuple):
        return (*value, "more")
    return value + "x" if isinstance(value, str) else value + (7 if isinstance(value, int) else 0.125)


def buildable(cell):
    """Leaves out parts of other methods, which stand for nothing by themselves."""
    try:
        return bool(cells.parse_cell(cell))
    except ValueError as error:
        assert "is a helper of other modules" in str(error) or "is no tfuda.method.Method" in str(error)
        return False


@pytest.mark.parametrize(("file", "at"), [*((file, "") for file in FILES), ("folders", "@resnet50")])
def test_every_option_of_every_part_arrives_under_every_config(file, at):
    for cell in filter(buildable, CELLS):
        plain = config(file, cell + at)
        names = {part: plain[part] for part in PARTS if plain[part]}
        wanted = {
            part: {key: other(value) for key, value in validation.leaves(plain[PLACES[part]])} for part in names
        }
        brackets = {part: ";".join(f"{k}={v}" for k, v in wanted[part].items()) for part in names}
        text = "+".join(f"{name}[{brackets[part]}]" for part, name in names.items())
        found = config(file, text + at)
        for part in names:
            assert dict(validation.leaves(found[PLACES[part]])) == wanted[part], (text, part)


def test_options_are_said_of_the_part_whose_brackets_they_stand_in():
    text = "ent[trade_offs.entropy=0.2;hidden=8]+toalign+mcc[temperature=3]@mcc"
    assert cells.options_in_brackets(text) == {
        "options": {"trade_offs.entropy", "hidden"},
        "weigher_options": set(),
        "regulariser_options": {"temperature"},
    }
    assert cells.options_in_brackets("toalign[scale=16]") == {"options": set(), "weigher_options": {"scale"}}


def test_an_option_of_one_part_leaves_that_of_another_to_the_recipe():
    made, plain = config("digits", "ent+mcc[temperature=3]"), config("digits", "ent+mcc")
    assert made.regulariser_options.temperature == 3.0
    assert made.options.temperature == plain.options.temperature == 0.5


def test_a_flag_wins_over_brackets_and_a_run_s_file_keeps_both(monkeypatch):
    values, text = flags.FlagValues(), "gvb[hidden=9]+metaalign[rate=50]"
    words = ["main", f"--config={ROOT}/configs/digits.py:{text}", "--config.combiner_options.rate=3"]
    monkeypatch.setattr("sys.argv", words)  # which config_flags reads by itself
    config_flags.DEFINE_config_file("config", flag_values=values)
    values(words)
    kept = ConfigDict(json.loads(json.dumps(values.config.to_dict())))
    assert kept.combiner_options.rate == 3.0 and kept.options.hidden == 9
    assert cells.options_in_brackets(kept.cell) == {"options": {"hidden"}, "combiner_options": {"rate"}}


def test_what_is_said_is_not_searched():
    made, space = config("office_home", "mme[temperature=0.1]+mcc[trade_off=2]"), keras_tuner.HyperParameters()
    recipes.trade_offs(space, made)
    assert {*space.values} == {"options.trade_offs.minimax", "regulariser_options.temperature"}
