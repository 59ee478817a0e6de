"""How `tfuda adapt` fine-tunes the chosen candidate; what it delivers then is in test_adapt.py."""

import numpy as np
import pytest
import two_folders
from two_folders import request

from tfuda.experiment import callbacks, training
from tfuda.experiment.workdir import Workdir
from tfuda.profiling import cost
from tfuda.studies.adaptation import adapt, choice, finetune
from tfuda.studies.adaptation.request import configured, fit_to, found_task


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return two_folders.make(tmp_path_factory.mktemp("folders"))


def test_rates_and_reversal_go_on_where_the_candidate_ended(folders, tmp_path):
    asked = request(folders, tmp_path, change=lambda config: None)
    base = configured(asked, "dann")
    made = finetune.continued(configured(asked, "dann@tuned"), base, Workdir(tmp_path))
    assert made.network.frozen == "6" and made.steps == 200 and made.segment == 50
    new, old = (one.optimizer.rate * one.optimizer.new_layers for one in (made, base))
    assert new == pytest.approx(old * 11**-0.75) and made.optimizer.new_layers == 10
    assert made.options.ramp_steps == 1


def test_a_tuned_candidate_is_no_witness_of_the_one_it_came_from():
    names = ("source_only", "dann", "dannp", "dann@tuned")
    every = [choice.Candidate(name, *np.zeros([3, 1])) for name in names]
    assert [one.name for one in finetune.beside(every[3], every)] == ["source_only", "dannp"]
    assert [one.name for one in finetune.beside(every[1], every)] == ["source_only", "dannp"]


@pytest.mark.slow
def test_a_stop_while_tuning_delivers_the_chosen_one(folders, monkeypatch, tmp_path):
    plain = training.train_run

    def stops(config, workdir, **options):
        if config.cell.endswith("@tuned"):
            raise callbacks.Stopped("stopped at step 1 of 10; the same command resumes")
        return plain(config, workdir, **options)

    monkeypatch.setattr(training, "train_run", stops)
    result = adapt.adapt(request(folders, tmp_path / "w", finetune=True), lambda line: None)
    assert "@tuned" not in result["chosen"] and result["interrupted"]
    assert result["warnings"][0] == f"stopped in {result['chosen']}@tuned; the same command resumes."
    assert (tmp_path / "w" / "export" / "saved_model.pb").is_file()


@pytest.mark.slow
def test_what_does_not_fit_into_the_budget_is_said_in_a_line(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(adapt.Clock, "allows", lambda clock: True)
    lines = []
    result = adapt.adapt(request(folders, tmp_path / "w", minutes=1e-6, cells=()), lines.append)
    assert [line for line in lines if line.startswith("source_only@tuned is left out: it needs about")]
    assert result["chosen"] == "source_only" and result["finished"]


def test_the_time_is_estimated_from_steps_that_are_timed(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "SECONDS", 0.05)
    config = configured(request(folders, tmp_path), "dann")
    task = found_task(config, lambda line: None)
    fit_to(config, task)
    config.steps, config.segment = 30, 30
    short = finetune.seconds_needed(config, "", task)
    config.steps = config.segment = 30_000
    assert 0 < short < 0.1 * finetune.seconds_needed(config, "", task)
