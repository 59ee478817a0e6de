"""`tfuda adapt`: candidates, the choice without labels, and what is delivered."""

import csv
import json
import math
import shutil

import numpy as np
import pytest
import two_folders
from two_folders import CLASSES, brief, request

from tfuda.experiment import build, callbacks, start_weights, training
from tfuda.experiment.workdir import Workdir
from tfuda.reports.pages import adaptation
from tfuda.serving.export import Model
from tfuda.studies.adaptation import adapt, choice, finetune, outcome
from tfuda.studies.adaptation.request import PORTFOLIO, configured, found_task


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return two_folders.make(tmp_path_factory.mktemp("folders"))


@pytest.fixture(scope="module")
def finished(folders, tmp_path_factory):
    """(workdir, result, lines) of a whole adaptation, with fine-tuning."""
    workdir, lines = tmp_path_factory.mktemp("adapted") / "w", []
    asked = request(folders, workdir, labels=str(folders / "scans_labelled"), finetune=True)
    return workdir, adapt.adapt(asked, lines.append), lines


def test_everything_is_delivered(finished, folders):
    workdir, result, lines = finished
    assert result == json.loads((workdir / "result.json").read_text())
    assert result["chosen"] in result["scores"] and {*result["scores"]} > {"source_only", "dann"}
    assert result["estimate"]["low"] <= result["estimate"]["value"] <= result["estimate"]["high"]
    assert result["finished"] and result["unreadable"] == 1 and 0.05 <= result["temperature"] <= 20
    assert any("1 of 2: training source_only" in line for line in lines)
    with open(workdir / "predictions.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 and {row["label"] for row in rows} <= {*CLASSES}
    truth = np.mean([row["label"] in row["file"] for row in rows])
    assert truth > 0.6 and result["measured"] > 0.6
    with open(workdir / "label_these.csv", encoding="utf-8") as file:
        asked = [*csv.DictReader(file)]
    wanted, sure = [row["file"] for row in asked], {row["file"]: float(row["confidence"]) for row in rows}
    assert all(float(row["confidence"]) == pytest.approx(sure[row["file"]], abs=5e-3) for row in asked)
    assert len(wanted) == len({*wanted}) == 20 and {*wanted} <= {row["file"] for row in rows}
    card = json.loads((workdir / "export" / "model_card.json").read_text())
    assert result["chosen"] in json.dumps(card) and (workdir / "export" / "README.md").is_file()


def origin(result):
    return next(name for name in result["scores"] if name.endswith("@tuned")).removesuffix("@tuned")


def test_the_chosen_candidate_is_continued_from_its_own_weights(finished):
    workdir, result, _ = finished
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


def test_the_tuned_one_is_chosen_only_by_the_margin(finished):
    _, result, lines = finished
    tuned, scores = origin(result) + "@tuned", result["scores"]
    better = scores[tuned] > scores[origin(result)] + choice.MARGIN
    assert result["chosen"] == (tuned if better else origin(result))
    assert f"{tuned} {'replaces' if better else 'does not replace'} {origin(result)}" in lines


def test_another_networks_run_is_refused(finished, folders):
    workdir, *_ = finished
    config = configured(request(folders, workdir), "source_only")
    config.network_options.widths = (4, 6, 10)
    task = found_task(config, lambda line: None)
    method = build.method(config, task)
    config.weights = str(workdir / "candidates" / "source_only")
    with pytest.raises(ValueError, match="with other layers than source_only"):
        start_weights.start(config, method, task)


def test_the_page_says_what_was_chosen(finished):
    _, result, _ = finished
    name, _, text = adaptation.part({**result, "warnings": ["Few <target> pictures."]})
    assert name == "adaptation" and "<strong>" + result["chosen"] in text and "Few &lt;target&gt; pictures." in text
    assert all(cell in text for cell in result["scores"]) and json.dumps(result)


def test_served_confidences_have_the_temperature(finished, folders):
    workdir, result, _ = finished
    file = folders / "scans" / "0_red.png"
    served = Model(workdir / "export").files([file.read_bytes()])[0]
    _, task, _ = training.load_run(workdir / "candidates" / result["chosen"], last=True)
    names = [path.rpartition("/")[2] for path in task.streams["target"].images]
    kept = choice.read_outputs("", workdir / "candidates" / result["chosen"] / "outputs.npz")
    logits = kept.target_logits[names.index(file.name)] / result["temperature"]
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    np.testing.assert_allclose(served, expected, atol=5e-3)  # logits are kept in half precision


def test_the_same_command_trains_nothing_again_wherever_its_folder_was_moved(finished, folders):
    workdir, result, _ = finished
    lines, there = [], workdir.rename(workdir.with_name("moved"))
    asked = request(folders, there, labels=str(folders / "scans_labelled"), finetune=True)
    try:
        assert adapt.adapt(asked, lines.append) == result
    finally:
        there.rename(workdir)
    asked = asked._replace(workdir=str(workdir))
    assert sum("nothing to train" in line for line in lines) == 3
    with pytest.raises(ValueError, match="was made with --seed=0: choose a new folder"):
        adapt.adapt(asked._replace(seed=1), lines.append)


def test_a_copy_of_its_folder_is_taken_up_without_labels_or_time(finished, folders, tmp_path):
    """Finished candidates cost no time, a tuned one has its neighbour's weights, and labels may come and go."""
    shutil.copytree(finished[0], tmp_path / "w")
    lines, asked = [], request(folders, tmp_path / "w", minutes=1e-6)
    result = adapt.adapt(asked, lines.append)
    assert sum("nothing to train" in line for line in lines) == 3
    assert result == {key: value for key, value in finished[1].items() if key != "measured"}


@pytest.mark.parametrize(
    "stop, again",
    [
        (KeyboardInterrupt(), False),  # while nothing trains
        pytest.param(KeyboardInterrupt(), True, marks=pytest.mark.slow),
        pytest.param(callbacks.Stopped("stopped at step 1 of 2"), True, marks=pytest.mark.slow),
    ],
)
def test_a_stop_delivers_the_best_so_far_and_the_same_command_resumes(
    folders, tmp_path, monkeypatch, eager, again, stop
):
    plain = training.train_run

    def stops(config, workdir, **options):
        if config.method == "dann":
            raise stop
        return plain(config, workdir, **options)

    monkeypatch.setattr(training, "train_run", stops)
    asked = request(folders, tmp_path / "w", change=brief)
    result = adapt.adapt(asked, lambda line: None)
    assert result["chosen"] == "source_only" and not result["finished"]
    assert result["warnings"][0] == "stopped in dann; the same command resumes."
    assert (tmp_path / "w" / "predictions.csv").is_file() and "measured" not in result
    monkeypatch.setattr(training, "train_run", plain)
    assert not again or adapt.adapt(asked, lambda line: None)["finished"]


@pytest.mark.slow
def test_a_budget_that_is_used_up_leaves_candidates_out(folders, tmp_path, eager):
    result = adapt.adapt(request(folders, tmp_path / "w", minutes=1e-6, change=brief), lambda line: None)
    assert result["scores"].keys() == {"source_only"}
    assert "left no time for dann" in result["warnings"][0]


# ---- the choice


def candidate(name, accuracy, seed=0, sharp=4.0):
    """Logits of 3 classes that are right for a share of 400 target images, and of the source."""
    rng = np.random.default_rng(seed)
    labels = np.arange(400) % 3

    def logits(share):
        seen = np.where(rng.random(400) < share, labels, (labels + 1) % 3)
        scale = np.where(seen == labels, sharp, sharp / 4)[:, None]  # unsure where wrong
        return np.eye(3)[seen] * scale + rng.normal(0, 0.1, (400, 3))

    return choice.Candidate(name, logits(0.9), labels, logits(accuracy))


@pytest.mark.parametrize("criterion", choice.CRITERIA)
def test_every_criterion_prefers_the_clearly_better_network(criterion):
    found = choice.scores([candidate("source_only", 0.4), candidate("a", 0.8, 1), candidate("b", 0.78, 2)], criterion)
    assert choice.choose(found) in ("a", "b")


def test_source_only_stays_unless_another_is_better_by_the_margin():
    assert choice.choose({"source_only": 0.5, "dann": 0.505}, 0.01) == "source_only"
    assert choice.choose({"source_only": 0.5, "dann": 0.511}, 0.01) == "dann"
    assert choice.choose({"source_only": 0.5, "dann": 0.5}, 0.0) == "source_only"
    assert choice.choose({"source_only": 0.5, "dann": -math.inf}, 0.01) == "source_only"


def test_source_only_stays_where_the_target_lacks_classes_of_the_source():
    """And not where the held-out pictures alone lack them."""
    plain, other = candidate("source_only", 0.9), candidate("dann", 0.9, 1)
    few = [one._replace(source_labels=np.zeros(400, int)) for one in (plain, other)]
    assert choice.chosen(few).shifted
    assert not choice.chosen(few, shares=np.full(3, 1 / 3)).shifted
    assert choice.chosen([plain, other], shares=np.array([1.0, 0, 0])).shifted


def test_a_candidate_that_is_not_finite_is_never_chosen():
    bad = candidate("bad", 0.9)
    bad.target_logits[3, 1] = np.nan
    found = choice.scores([candidate("source_only", 0.4), bad])
    assert found["bad"] == -math.inf and choice.choose(found) == "source_only"


def test_the_calibration_table_is_read(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("# a comment\ntask,cell,seed,truth,doc,gde\nT-O,dann,0,0.5,0.4,0.6\n")
    assert outcome.calibration_rows(file) == [("T-O", {"doc": 0.4, "gde": 0.6}, 0.5)]
    assert outcome.calibration_rows(tmp_path / "none.csv") == []


def test_agreement_is_believed_beside_the_portfolio_that_it_is_calibrated_for_alone():
    names = ("source_only", *PORTFOLIO)
    whole = [candidate(name, 0.5 + 0.05 * place, place) for place, name in enumerate(names)]
    rows = outcome.calibration_rows()
    apart = {one.name: choice.estimated(one, [], rows) for one in whole}
    assert outcome.estimated(whole[:-1]) == {name: apart[name] for name in names[:-1]}
    found = outcome.estimated([*whole, whole[1]._replace(name=f"{names[1]}@tuned")])
    assert all(found[name] != apart[name] for name in names)


def test_outputs_of_a_stranger_are_refused(tmp_path):
    np.savez(tmp_path / "outputs.npz", source_logits=np.zeros([2, 3]))
    with pytest.raises(ValueError, match="source_labels"):
        choice.read_outputs("a", tmp_path / "outputs.npz")
