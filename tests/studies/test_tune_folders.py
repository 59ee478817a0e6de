"""What a search takes from a folder: values of its own trials, and of no others. The runs are made up."""

import json
import math

import pytest
import tiny

from configs import digits
from tfuda.atomic_files import write_whole
from tfuda.evaluation import validators
from tfuda.experiment import training
from tfuda.experiment.workdir import Workdir, make_paths_absolute
from tfuda.studies import search_folder, tune


@pytest.fixture(autouse=True)
def trained(monkeypatch):
    """Names of the trials that were trained; their values fall with the distance of the rate to 0.1."""
    names = []

    def train(config, workdir, say, until):
        make_paths_absolute(config)
        wanted = validators.wanted(config.select, config.validators)
        value = -abs(math.log(config.optimizer.rate / 0.1))
        with workdir.claim(config):
            names.append(workdir.path.name)
            workdir.record(config)
            row = {"seconds": 1, "source_accuracy": 1, **{validators.column(name): value for name in wanted}}
            workdir.keep_rows([{"step": step, **row} for step in range(1, until + 1)])
            if until == config.steps:
                write_whole(workdir.result, "{}\n")

    monkeypatch.setattr(training, "train_run", train)
    return names


def make(folder, kind="random", trials=3, seed=0, objective="im", **changes):
    made = tiny.config("toalign", **{"steps": 3, "segment": 1, **changes})
    return tune.Search(
        made.copy_and_resolve_references, digits.sweep, folder, trials, seed, kind=kind, objective=objective
    )


def search(folder, *words, **options):
    return tune.search(make(folder, *words, **options))


def outputs(folder):
    return [(folder / name).read_text() for name in ("trials.csv", "best.py")]


def spoil(workdir):
    """Be the run of another rate."""
    path = workdir.path / "config.json"
    about = json.loads(path.read_text())
    about["config"]["optimizer"]["rate"] *= 2
    path.write_text(json.dumps(about))


@pytest.mark.parametrize(
    "name, old, changes",
    [
        ("tuner", "random", {"kind": "bayesian"}),
        ("search_seed", "0", {"seed": 1}),
        ("objective", "im", {"objective": "mixval"}),
    ],
)
def test_a_folder_that_another_search_filled_is_refused(name, old, changes, tmp_path):
    rows = search(tmp_path)
    before = outputs(tmp_path)
    with pytest.raises(ValueError, match=rf"^--workdir={tmp_path} was searched with --{name}={old}, not "):
        search(tmp_path, **changes)
    assert outputs(tmp_path) == before and search(tmp_path) == rows


def test_flags_of_a_search_that_never_began_bind_nobody(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(tune, "_run", lambda *words: None)
        with pytest.raises(ValueError, match="no trial has ended"):
            search(tmp_path)
    assert len(search(tmp_path, seed=1)) == 3


def test_a_folder_without_a_record_goes_on_where_its_trials_agree(tmp_path, trained):
    rows = search(tmp_path)
    before = outputs(tmp_path)
    (tmp_path / search_folder.RECORD).unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"trial1 holds a run with another config \(optimizer.*delete that one$"):
        search(tmp_path, seed=1)
    assert not (tmp_path / search_folder.RECORD).exists(), "the flags of a search that was refused"
    assert search(tmp_path) == rows and outputs(tmp_path) == before and len(trained) == 3
    with pytest.raises(ValueError, match="was searched with --search_seed=0, not 1"):
        search(tmp_path, seed=1)


def test_a_trial_without_the_objective_is_a_sentence(tmp_path):
    search(tmp_path)
    (tmp_path / search_folder.RECORD).unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"trial0 was trained without --objective=mixval: delete that folder, or"):
        search(tmp_path, objective="mixval")


@pytest.mark.parametrize("kind", ["random", "hyperband"])
def test_a_value_is_taken_only_with_the_settings_that_were_trained(kind, tmp_path):
    rows = search(tmp_path, kind)
    before = outputs(tmp_path)
    last = Workdir(tmp_path / f"trial{rows[-1]['trial']}")
    assert (last.finished() is None) == (kind == "hyperband"), "of hyperband one that was stopped early"
    spoil(last)
    with pytest.raises(ValueError, match=rf"{last.path} holds a run with another config \(optimizer.rate is "):
        search(tmp_path, kind)
    assert outputs(tmp_path) == before


@pytest.mark.parametrize("kind, few, many", [("random", 2, 12), ("hyperband", 1, 6)])
def test_more_trials_go_on_with_those_that_are_there(kind, few, many, tmp_path, trained):
    search(tmp_path / "more", kind, few)
    again = search(tmp_path / "more", kind, many)
    whole = search(tmp_path / "whole", kind, many)
    assert again == whole and outputs(tmp_path / "more") == outputs(tmp_path / "whole")
    assert len(trained) % 2 == 0 and trained[: len(trained) // 2] == trained[len(trained) // 2 :]


def test_more_trials_of_a_gaussian_process_go_on_with_those_that_are_there(tmp_path, monkeypatch):
    rows = search(tmp_path, "bayesian", 5)

    def killed(*words, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train_run", killed)
    tuner = make(tmp_path, "bayesian", 50)
    with pytest.raises(KeyboardInterrupt):
        tune.search(tuner)
    assert tuner.table() == rows


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"steps": 2}, r"holds a run with another config \(steps is 3 there and 2 here\)"),
        ({"objective": "bnm"}, "was searched with --objective=im, not bnm"),
        ({}, ""),
    ],
)
def test_a_worker_whose_command_is_another_one_is_refused(changes, said, tmp_path, trained):
    search(tmp_path)
    other = make(tmp_path, **changes)
    trial = other.oracle.create_trial("one")
    other.role = "one"
    if said:
        with pytest.raises(ValueError, match=rf"^--workdir={tmp_path} {said}"):
            other.done(trial)
    else:
        assert other.done(trial).keys() == {"im"}
    assert len(trained) == 3
