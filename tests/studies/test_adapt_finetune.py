"""Fine-tuning the chosen candidate of `tfuda adapt`, and the page."""

import json

import numpy as np
import pytest
import two_folders
from two_folders import request

from tfuda.experiment import build, callbacks, start_weights, training
from tfuda.experiment.workdir import Workdir
from tfuda.reports.pages import adaptation
from tfuda.studies.adaptation import adapt, choice, finetune


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return two_folders.make(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="module")
def finished(folders, tmp_path_factory):
    """(workdir, result) of an adaptation with fine-tuning."""
    workdir = tmp_path_factory.mktemp("tuned") / "w"
    return workdir, adapt.adapt(request(folders, workdir, finetune=True), lambda line: None)


def origin(result):
    return next(name for name in result["scores"] if name.endswith("@tuned")).removesuffix("@tuned")


def test_the_chosen_candidate_is_continued_from_its_own_weights(finished):
    workdir, result = finished
    base, tuned = (Workdir(workdir / "candidates" / name) for name in (origin(result), origin(result) + "@tuned"))
    config = tuned.config()
    assert config.steps == base.config().steps // 3 and config.weights == str(base.path)
    assert len(result["scores"]) == 3 and len(tuned.rows()) >= finetune.ROWS
    _, task, ended = training.load_run(base.path, last=True)
    begun = build.method(config, task)
    start_weights.start(config, begun, task)
    for mine, theirs in zip(begun.network.variables, ended.network.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    assert int(begun.step.numpy()) == 0


def test_rates_and_reversal_go_on_where_the_candidate_ended(folders, tmp_path):
    asked = request(folders, tmp_path, change=lambda config: None)
    base = adapt.configured(asked, "dann")
    made = finetune.continued(adapt.configured(asked, "dann@tuned"), base, Workdir(tmp_path))
    assert made.network.frozen == "6" and made.steps == 200 and made.segment == 50
    new, old = (one.optimizer.rate * one.optimizer.new_layers for one in (made, base))
    assert new == pytest.approx(old * 11**-0.75) and made.optimizer.new_layers == 10
    assert made.options.ramp_steps == 1


def test_the_tuned_one_is_chosen_only_by_the_margin(finished):
    _, result = finished
    tuned, scores = origin(result) + "@tuned", result["scores"]
    better = scores[tuned] > scores[origin(result)] + choice.MARGIN
    assert result["chosen"] == (tuned if better else origin(result))


def test_a_tuned_candidate_is_no_witness_of_the_one_it_came_from():
    names = ("source_only", "dann", "dannp", "dann@tuned")
    every = [choice.Candidate(name, *np.zeros([3, 1])) for name in names]
    assert [one.name for one in finetune.beside(every[3], every)] == ["source_only", "dannp"]
    assert [one.name for one in finetune.beside(every[1], every)] == ["source_only", "dannp"]


@pytest.mark.slow
def test_a_stop_while_tuning_delivers_the_chosen_one(finished, folders, monkeypatch, tmp_path):
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


@pytest.mark.slow
def test_the_time_is_estimated_from_steps_that_are_timed(folders, tmp_path):
    config = adapt.configured(request(folders, tmp_path), "dann")
    task = adapt.found_task(config, lambda line: None)
    adapt.fit_to(config, task)
    config.steps, config.segment = 30, 30
    short = finetune.seconds_needed(config, "", task)
    config.steps = config.segment = 30_000
    assert 0 < short < 0.1 * finetune.seconds_needed(config, "", task)


def test_another_networks_run_is_refused(finished, folders):
    workdir, _ = finished
    config = adapt.configured(request(folders, workdir), "source_only")
    config.network_options.widths = (4, 6, 10)
    task = adapt.found_task(config, lambda line: None)
    method = build.method(config, task)
    config.weights = str(workdir / "candidates" / "source_only")
    with pytest.raises(ValueError, match="with other layers than source_only"):
        start_weights.start(config, method, task)


def test_the_page_says_what_was_chosen(finished):
    _, result = finished
    name, _, text = adaptation.part({**result, "warnings": ["Few <target> pictures."]})
    assert name == "adaptation" and "<strong>" + result["chosen"] in text and "Few &lt;target&gt; pictures." in text
    assert all(cell in text for cell in result["scores"]) and json.dumps(result)
