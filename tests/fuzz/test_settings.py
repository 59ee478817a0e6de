"""Configs, cells and flags with values that make no sense."""

import math
import random
import string
import sys

import pytest
import tiny
from absl import flags
from commands import command
from hypothesis import given
from hypothesis import strategies as st
from ml_collections import ConfigDict
from said import MISTAKES, foreseen, names_setting, one_sentence, profile

from configs import digits
from tfuda import names
from tfuda.cli import launch
from tfuda.errors import sentence
from tfuda.experiment import build, cells, validation

if "config" not in flags.FLAGS:
    launch.config_flag()

NONSENSE = {
    "batch": [0, -1, 10**30, True],
    "batches.source": [-1],
    "steps": [0, -3, 10**30],
    "segment": [0, -1],
    "steps_per_execution": [0, -5],
    "seed": [-1, 2**63],
    "shots": [-1],
    "source_test": [-1],
    "source_classes": [-2],
    "target_classes": [-2],
    "tail": [0.0, -1.0, 7.0, math.nan],
    "imbalance": ["nonsense"],
    "on_bad_image": ["maybe"],
    "passes": ["nonsense", "source,source", "source+target,target", "+"],
    "view.size": [-5, 10**9],
    "view.resize": [-5],
    "view.train": ["ten"],
    "samplers.source": ["nonsense", "shuffled", "np", ""],
    "samplers.target": ["class_rows", "Domain"],
    "augment.name": ["functools", "tf", "shfit"],
    "augment.pixels": [-1],
    "beliefs.rate": [0.0, math.nan, 2.0],
    "beliefs.fade": [-1],
    "beliefs.scale": [math.inf, 0.0],
    "rounds.rate": [0.0, math.nan],
    "rounds.index": [-1],
    "network.name": ["base", "heads", "bank", "attention", "torch_file", "smal", "small9", "resnet7", ""],
    "network.bottleneck": [-1, 10**12],
    "network.initial": ["nonsense"],
    "network_options.widths": [(), (0,), (4, -6), (10**9,)],
    "network_options.convolutions": [0, -1],
    "network_options.stride": [0],
    "optimizer.name": ["nonsense", ""],
    "optimizer.rate": [0.0, -1.0, math.nan, math.inf],
    "optimizer.momentum": [2.0, -0.1, math.nan, 1.0],
    "optimizer.backbone_momentum": [2.0],
    "optimizer.gamma": [-1.0, math.nan],
    "optimizer.power": [math.inf],
    "optimizer.decay": [-1.0, math.nan],
    "optimizer.new_layers": [-1.0, math.nan],
    "options.hidden": [0, -3, 10**12],
    "options.dropout": [1.0, 1.5, -0.5, math.nan],
    "options.epsilon": [-1.0, math.nan],
    "options.ramp_steps": [-1],
    "options.initial": ["nonsense"],
    "options.trade_offs.domain": [math.nan, -1.0, math.inf],
    "weigher_options.scale": [-1.0, math.nan],
    "weigher_options.squash": ["nonsense"],
    "pairs.steps": [0],
    "pairs.batch": [-1],
    "pairs.rate": [math.nan, 0.0],
    "pairs.width": [0],
    "pairs.pool": [-1],
    "pairs.flip": [],
    "task": ["", "R", "-", "R-", "+-S", "R-S-H", "R\0-S", "ä-S"],
    "data": ["", "nonsense", ":", ".x:y", "os:", "os:path", "no_such:thing", "..:x", "os:sep"],
    "weigher": ["nonsense", "toalign:x"],
    "prior": ["/no/such/file.npz", __file__],
}
# What a sentence says in place of the key
OWN_WORDS = {"task": ["Unknown domain"], "network.name": ["depth=", "network small9"]}
CASES = [(key, value) for key, values in NONSENSE.items() for value in values]


def changed(key, value, cell="dannp+toalign"):
    made = tiny.config(cell)
    *path, last = key.split(".")
    here = made
    for part in path:
        here = here[part]
    with here.unlocked():
        here[last] = value
    return made


@pytest.fixture(scope="module")
def task():
    return build.task(tiny.config())


@pytest.mark.parametrize("key, value", CASES, ids=lambda x: repr(x)[:30])
def test_a_setting_that_makes_no_sense_is_one_sentence(key, value, task):
    with pytest.raises(MISTAKES) as error:
        made = changed(key, value)
        validation.check_config(made)  # also of what this run would not read
        anew = key in ("task", "data", "seed", "source_test", "shots", "tail", "imbalance", "on_bad_image")
        of = build.task(made) if anew or "classes" in key else task
        method = build.method(made, of)
        build.streams(made, of)
        method.fit(build.streams(made, of), verbose=0)
    foreseen(error.value)
    code = [repr(value)] if ":" in str(value) else []  # no package.module:Name belongs to one key alone
    names_setting(error.value, key, *OWN_WORDS.get(key, ()), *code)


@pytest.mark.parametrize(
    "cell, key, good, bad",
    [
        ("dann", "network_options.depth", 50, None),
        ("mcd", "options.depth", 0, -1),
        ("mme", "options.hidden", 0, -1),
        ("dann", "options.hidden", 1, 0),
    ],
)
def test_a_range_is_of_the_owner_s_option(cell, key, good, bad):
    """The depth of a ResNet is not that of MCD's heads, and MME may have no hidden layer."""
    made = tiny.config(cell)
    tree, name = key.split(".")
    made[tree][name] = good
    validation.check_config(made)
    if bad is not None:
        made[tree][name] = bad
        with pytest.raises(ValueError, match=f"^{key}={bad}: a whole number from"):
            validation.check_config(made)


@pytest.mark.parametrize("cell", names.modules("methods"))
def test_the_defaults_of_every_method_make_sense(cell):
    validation.check_config(digits.get_config(cell))


NUMBERS = st.one_of(st.integers(), st.floats(), st.booleans(), st.integers(-3, 3))
ANY = st.one_of(NUMBERS, st.text(max_size=8), st.none(), st.tuples(NUMBERS), st.binary(max_size=3))


@profile(150)
def test_any_value_of_any_setting_is_checked_without_a_traceback(amount):
    plain = tiny.config()
    keys = sorted(key for key, _ in validation.leaves(plain))

    @amount
    @given(st.sampled_from(keys), ANY)
    def look(key, value):
        try:
            made = changed(key, value)
        except TypeError:
            return  # ConfigDict's own sentence; flags never come so far
        rule = validation.allowed(plain, key)
        try:
            validation.check_config(made)
        except ValueError as error:
            assert key in str(error)
        else:
            if rule:
                kept = dict(validation.leaves(made))[key]  # a number that ConfigDict made of the value
                assert all(rule.low <= one <= rule.high for one in (kept if isinstance(kept, tuple) else (kept,)))

    look()


PARTS = st.sampled_from(
    [
        "dann",
        "dannp",
        "hda",
        "toalign",
        "biwaa",
        "metaalign",
        "source_only",
        "+",
        "[",
        "]",
        ";",
        "=",
        ".",
        ":",
        "hidden",
        "scale",
        "trade_offs",
        "domain",
        "1",
        "-3",
        "1e999",
        "nan",
        "True",
        "None",
        "('a',)",
        "((((",
        "\x00",
        "ä",
        " ",
        "os",
    ]
)


@profile(80)
def test_a_cell_of_any_words_is_a_config_or_one_sentence(amount):
    @amount
    @given(st.one_of(st.lists(PARTS, max_size=9).map("".join), st.text(max_size=20)))
    def look(text):
        with one_sentence():
            made = cells.parse_cell(text)
            assert isinstance(made, ConfigDict) and made.method

    look()


@pytest.mark.parametrize(
    "text", ["dann[hidden=" + "(" * 5000, "dann[" * 300, "d" * 10**5, "dann[hidden=3", "dann]x[", "bank"]
)
def test_a_cell_out_of_shape_is_refused(text):
    with pytest.raises(ValueError):
        cells.parse_cell(text)


def parsed(words, monkeypatch):
    """The config that the words of a command line make, as `launch` finds it."""
    monkeypatch.setattr(sys, "argv", ["train.py", *words])
    flags.FLAGS.unparse_flags()
    launch.parse([], sys.modules[__name__])
    return flags.FLAGS["config"].value


@profile(40)
def test_flags_of_any_words_are_a_config_or_one_sentence(amount, monkeypatch):
    plain = digits.get_config("toalign")
    keys = sorted(
        [*(key for key, _ in validation.leaves(plain)), "view", "options", "options.trade_offs", "x", "", "."]
    )
    values = st.one_of(
        NUMBERS.map(str), st.text(string.printable, max_size=8), st.sampled_from(["", "nan", "-inf", "()"])
    )

    @amount
    @given(st.sampled_from(keys), values)
    def look(key, value):
        try:
            config = parsed(["--config=configs/digits.py:toalign", f"--config.{key}={value}"], monkeypatch)
            validation.check_config(config)
        except (*MISTAKES, flags.Error) as error:
            foreseen(error)
            names_setting(error, key)

    look()


def test_a_very_long_value_is_a_short_sentence():
    with pytest.raises(ValueError) as error:
        cells.parse_cell("x" * 50_000)
    assert len(sentence(error.value)) < 3000


@pytest.mark.slow
def test_bad_flags_through_the_real_command_are_exit_code_2(tmp_path):
    rng = random.Random(0)
    for key, value in rng.sample([case for case in CASES if isinstance(case[1], int | float | str)], 25):
        if key in ("weigher", "pairs.steps") or "\0" in str(value):
            continue
        done = command(
            "train", "--config=configs/digits.py:toalign", f"--config.{key}={value}", f"--workdir={tmp_path}"
        )
        assert done.returncode == 2 and "Traceback" not in done.stderr, (key, value, done.stderr)
