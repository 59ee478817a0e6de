"""A search by several processes: who does which trial makes no difference."""

import os
import pathlib
import re
import subprocess
import sys

import keras_tuner
import pytest
import tiny
from commands import ROOT, SMALL, free

from configs import digits
from tfuda.studies import tune, tuner_oracles

SETTING = re.compile(r"^(trial \d+: corrc \S+) .*?(  .*)$", re.M)


def search(folder, say=lambda line: None, trials=2):
    return tune.Search(lambda: tiny.config("toalign"), digits.sweep, pathlib.Path(folder), trials, 0, say)


def named(monkeypatch, name):
    """Be one of several processes."""
    port = free(1)[0]
    for variable, value in zip(tune.VARIABLES, (name, "127.0.0.1", str(port))):
        monkeypatch.setenv(variable, value)
    return port


def drawn(tmp_path, askers):
    space = keras_tuner.HyperParameters()
    digits.sweep(space, digits.get_config("toalign"))
    oracle = tuner_oracles.make_oracle("random", space, "im", 4, 0, 8)
    oracle.verbose = 0
    oracle._set_project_dir(str(tmp_path), askers[0])
    return [dict(oracle.create_trial(asker).hyperparameters.values) for asker in askers]


def test_settings_follow_from_the_number_of_the_trial(tmp_path):
    """Trials that are begun before an earlier one has ended draw what they would have drawn after it."""
    first, second = (drawn(tmp_path / name, [name + "0", name + "1", name + "2"]) for name in "ab")
    assert first == second and first[0]["optimizer.rate"] == digits.get_config("toalign").optimizer.rate
    assert len({settings["optimizer.rate"] for settings in first}) == 3


def test_half_a_set_of_variables_is_refused(monkeypatch):
    named(monkeypatch, "one")
    monkeypatch.delenv("KERASTUNER_ORACLE_PORT")
    with pytest.raises(ValueError, match="KERASTUNER_ORACLE_PORT is missing: a search by several processes needs"):
        tune.role()


def test_one_that_finds_no_chief_says_so(monkeypatch, tmp_path):
    port = named(monkeypatch, "one")
    monkeypatch.setenv("TFUDA_WAIT", "1")
    said = rf"one: the chief at 127\.0\.0\.1:{port} did not answer in 1 s"
    with pytest.raises(ValueError, match=said):
        tune.search(search(tmp_path))


def test_a_chief_whom_nobody_asks_says_so(monkeypatch, tmp_path):
    port = named(monkeypatch, "chief")
    monkeypatch.setenv("TFUDA_WAIT", "1")
    with pytest.raises(ValueError, match=rf"nobody asked the chief at 127\.0\.0\.1:{port} for a trial in 1 s"):
        tune.search(search(tmp_path))


@pytest.mark.slow
def test_a_chief_and_two_others_do_the_trials_of_one_process(tmp_path):
    def started(folder, **variables):
        words = ["--config=configs/digits.py:toalign", "--config.steps=10", "--config.segment=5", *SMALL]
        return subprocess.Popen(
            [sys.executable, str(ROOT / "run" / "tune.py"), *words, "--trials=3", f"--workdir={tmp_path / folder}"],
            cwd=ROOT,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def said(processes):
        found = [process.communicate(timeout=300) for process in processes]
        assert [process.returncode for process in processes] == [0] * len(processes), found
        return [output for output, _ in found]

    (alone,) = said([started("alone")])
    port = str(free(1)[0])
    there = {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": port}
    chief, *others = said([started("shared", KERASTUNER_TUNER_ID=name, **there) for name in ("chief", "one", "two")])
    one, two = (SETTING.findall(output) for output in others)
    assert sorted([*one, *two]) == SETTING.findall(alone) and len([*one, *two]) == 3
    assert one and two
    assert (
        re.search(r"best: (trial \d, corrc \S+),", chief)[1] == re.search(r"best: (trial \d, corrc \S+),", alone)[1]
    )
    assert "the chief names the best" in others[0]
