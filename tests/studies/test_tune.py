"""Searches: how settings are drawn, what stops early, and what a kill changes (nothing)."""

import csv
import runpy

import keras_tuner
import killing
import numpy as np
import pytest
import tiny
from commands import SMALL, command

from configs import digits
from tfuda.experiment import callbacks, training
from tfuda.experiment.workdir import Workdir
from tfuda.studies import tune, tuner_oracles

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")


def searched(folder, kind="random", trials=3, objective="im", **changes):
    """(rows, what was said) of a search on the smallest runs."""
    said = []
    made = tiny.config("toalign", **{"steps": 3, "segment": 1, "select": objective, **changes})
    tuner = tune.Search(
        made.copy_and_resolve_references, digits.sweep, folder, trials, 0, said.append, kind, objective
    )
    return tune.search(tuner), said


def table(folder):
    with open(folder / "trials.csv", newline="") as file:
        return [*csv.DictReader(file)]


def falling(seen):
    """A user's own validator: the highest value has the lowest largest logit."""
    return -seen.target_logits.max()


@pytest.mark.slow
def test_the_objective_may_be_a_validator_of_one_s_own(tmp_path):
    name = f"{__name__}:falling"
    rows, _ = searched(tmp_path, trials=2, objective=name, steps=1, select="last")
    logged = [Workdir(tmp_path / f"trial{row['trial']}").rows()[-1][f"val_{name}"] for row in rows]
    assert [row[name] for row in rows] == logged == sorted(logged, reverse=True)
    with pytest.raises(ValueError, match="unknown --objective=imm, did you mean 'im'"):
        tune.aim(tiny.config("toalign"), "imm")


@pytest.fixture(scope="module")
def hyperband(tmp_path_factory, untraced):
    folder = tmp_path_factory.mktemp("search") / "hyperband"
    return folder, *searched(folder, "hyperband", 1)


@pytest.mark.slow
def test_hyperband_stops_settings_early_and_goes_on_with_the_best(hyperband):
    folder, rows, said = hyperband
    steps = {int(path.name[5:]): int(Workdir(path).rows()[-1]["step"]) for path in folder.glob("trial?")}
    assert {row["trial"]: row["step"] for row in rows} == steps and sorted(steps.values())[0] == 1
    short = [Workdir(folder / f"trial{n}") for n, step in steps.items() if step < 3]
    assert short and not any(workdir.finished() for workdir in short)
    first = {n: Workdir(folder / f"trial{n}").rows()[0]["val_im"] for n in steps if n < 3}
    went_on = [n for n in first if steps[n] == 3]
    assert went_on == [max(first, key=first.get)]  # a third of the first bracket
    assert rows[0]["step"] == 3 and rows[0]["im"] == max(row["im"] for row in rows if row["step"] == 3)
    assert any(f"trial {went_on[0]} to step 3" in line for line in said)


@pytest.mark.slow
def test_a_setting_that_goes_on_is_the_run_that_nothing_stopped(hyperband, tmp_path):
    folder, rows, _ = hyperband
    went_on = next(row["trial"] for row in rows if row["step"] == 3 and row["trial"] < 3)
    workdir = Workdir(folder / f"trial{went_on}")
    training.train_run(workdir.config(), Workdir(tmp_path / "whole"))
    assert killing.content(tmp_path / "whole") == killing.content(workdir.path)


@pytest.mark.slow
def test_a_search_made_anew_takes_what_is_there(hyperband):
    folder, rows, _ = hyperband
    before = killing.content(folder)
    again, said = searched(folder, "hyperband", 1)
    assert (
        again == rows
        and len(said) == 1
        and said[0].startswith("hyperband: 5 settings in 6 trials")
        and killing.content(folder) == before
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", tuner_oracles.KINDS)
def test_a_search_that_is_interrupted_in_mid_trial_ends_with_the_same_trials(kind, tmp_path, monkeypatch):
    rows, _ = searched(tmp_path / "whole", kind, 5 if kind == "bayesian" else 2)
    count, measure = 0, callbacks.Journal.measure

    def interrupted(journal):
        nonlocal count
        count += 1
        if count in (2, 5):
            raise KeyboardInterrupt
        return measure(journal)

    monkeypatch.setattr(callbacks.Journal, "measure", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            searched(tmp_path / "again", kind, 5 if kind == "bayesian" else 2)
    assert searched(tmp_path / "again", kind, 5 if kind == "bayesian" else 2)[0] == rows
    assert table(tmp_path / "again") == table(tmp_path / "whole")
    assert (tmp_path / "again" / "best.py").read_text() == (tmp_path / "whole" / "best.py").read_text()


def drawn(tmp_path, kind, best):
    """Rates of ten trials one after the other, whose value falls with the distance to the best rate."""
    space = keras_tuner.HyperParameters()
    digits.sweep(space, tiny.config("toalign"))
    oracle, found = tuner_oracles.make_oracle(kind, space, "im", 12, 0, 3), []
    oracle.verbose = 0
    oracle._set_project_dir(str(tmp_path), f"{kind}{best}")
    for _ in range(10):
        trial = oracle.create_trial("one")
        found.append(trial.hyperparameters.values["optimizer.rate"])
        oracle.update_trial(trial.trial_id, {"im": -abs(np.log(found[-1] / best))})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the Gaussian process about its own fit, as in tune.py
def test_a_gaussian_process_follows_the_values_after_four_trials(tmp_path):
    random, low, high = (drawn(tmp_path, *case) for case in (("random", 1), ("bayesian", 0.01), ("bayesian", 0.2)))
    assert random[0] == digits.get_config("toalign").optimizer.rate
    assert random[:4] == low[:4] == high[:4]
    assert max(low[6:]) < min(high[6:])
    assert drawn(tmp_path, "bayesian", 0.01) == low


@pytest.mark.slow
def test_the_best_file_is_the_config_of_the_best_trial(hyperband):
    folder, rows, _ = hyperband
    found = runpy.run_path(str(folder / "best.py"))
    best = Workdir(folder / f"trial{rows[0]['trial']}").config()
    assert found["get_config"]().to_dict() == best.to_dict()
    assert found["get_config"](best.cell).to_dict() == best.to_dict()
    with pytest.raises(ValueError, match=r"one cell, dannp\+toalign, not of dann$"):
        found["get_config"]("dann")


@pytest.mark.slow
def test_lower_is_better_where_it_is(tmp_path):
    rows, _ = searched(tmp_path, objective="entropy", select="entropy", steps=1)
    values = [row["entropy"] for row in rows]
    assert values == sorted(values) and len({*values}) == 3
    assert "select" in (tmp_path / "best.py").read_text()


@pytest.mark.parametrize("objective", [pytest.param("im", marks=pytest.mark.slow), "entropy"])
def test_a_setting_that_diverges_is_the_worst(objective, tmp_path, monkeypatch):
    train = training.train_run

    def diverges(config, workdir, **options):
        if workdir.path.name == "trial0":
            raise callbacks.Diverged("training diverged: on purpose")
        return train(config, workdir, **options)

    monkeypatch.setattr(training, "train_run", diverges)
    rows, said = searched(tmp_path, trials=2, objective=objective, steps=1)
    assert rows[-1]["trial"] == 0 and np.isfinite(rows[-1][objective])
    assert said[0].startswith("trial 0: training diverged: on purpose  optimizer.")


def test_an_objective_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--objective=oracle would search by target labels"):
        searched(tmp_path, objective="oracle")
    with pytest.raises(ValueError, match="unknown --objective=snt, did you mean 'snd'"):
        searched(tmp_path, objective="snt")
    with pytest.raises(ValueError, match="--tuner=hyperband needs runs of at least 3 segments, and these have 2"):
        searched(tmp_path, "hyperband", steps=2)
    assert tune.aim(tiny.config(select="last"), "") == tune.DEFAULT == "im"
    assert tune.aim(tiny.config(select="snd"), "") == "snd"


@pytest.mark.slow
def test_a_dear_objective_is_logged(tmp_path):
    rows, _ = searched(tmp_path, objective="dev", steps=1, trials=1)
    assert rows[0]["dev"] == Workdir(tmp_path / "trial0").rows()[-1]["val_dev"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", tuner_oracles.KINDS)
def test_eight_trials_that_are_killed_twice_are_those_of_a_search_that_was_not(kind, tmp_path):
    def words(folder):
        small = ["--config.steps=40", "--config.segment=5", *SMALL]
        return ["--config=configs/digits.py:toalign", *small, "--trials=8", f"--tuner={kind}", f"--workdir={folder}"]

    whole, killed, rng = tmp_path / "whole", tmp_path / "killed", np.random.default_rng(0)
    done = command("tune", *words(whole))
    assert (done.returncode, done.stderr) == (0, "")
    killed.mkdir()
    for _ in range(2):
        count = rng.integers(20, 90)
        code, errors, _ = killing.kill("tune", words(killed), killed, lambda new, since, n=count: len(new) >= n)
        assert code != 0 and "Traceback" not in errors
    done = command("tune", *words(killed))
    assert done.returncode == 0 and table(killed) == table(whole)
    assert len({row["trial"] for row in table(whole)}) == 8

    def named(folder):
        found = killing.content(folder)
        return {place: held for place, held in found.items() if not place.endswith(("config.json", "best.py"))}

    assert named(killed) == named(whole)


def test_a_search_in_which_all_diverge_names_no_best(tmp_path):
    made = tiny.config("toalign", steps=1, segment=1)
    made.optimizer.rate = 1e30

    def sweep(hp, config):
        config.optimizer.rate = hp.Float("optimizer.rate", 1e29, 1e31, default=1e30)

    with pytest.raises(callbacks.Diverged, match=r"all 1 settings diverged: lower optimizer\.rate"):
        tune.search(tune.Search(made.copy_and_resolve_references, sweep, tmp_path, 1))
    assert not (tmp_path / "best.py").exists()


def test_what_no_setting_can_mend_ends_a_search_with_its_own_words(tmp_path, monkeypatch):
    def broken(*words, **options):
        raise RuntimeError("a mistake of the library's")

    monkeypatch.setattr(training, "train_run", broken)
    with pytest.raises(RuntimeError, match=r"^a mistake of the library's$"):
        searched(tmp_path, steps=1)


def test_hyperband_tries_a_setting_again_where_there_are_no_others():
    space = keras_tuner.HyperParameters()
    space.Choice("x", [1, 2], default=2)
    oracle = tuner_oracles.make_oracle("hyperband", space, "im", 1, 0, 3)
    oracle.verbose = 0
    drawn = [oracle.populate_space(str(i))["values"]["x"] for i in range(3)]
    assert drawn[0] == 2 and len(drawn) == 3
