"""BIWAA-I: what a round takes from earlier ones, its three loaders, and a run of rounds that is killed."""

import csv
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import minis
import numpy as np
import pytest
import tensorflow as tf
import tiny
from commands import ROOT, SMALL, command, restored
from golden_tools import golden_fixture  # noqa: F401

from configs import folders
from tfuda.core import pseudo_labels
from tfuda.data.readers import digits
from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir
from tfuda.studies import rounds

pytestmark = pytest.mark.usefixtures("few_digits")


def config(**changes):
    return tiny.config("biwaa", **{"steps": 2, "segment": 1, "imbalance": "target", "tail": 0.3, **changes})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, rows) of three rounds, and two with each of the other loaders."""
    folder, rows = tmp_path_factory.mktemp("rounds"), []
    for loader in rounds.LOADERS:
        count = 3 if loader == "predicted" else 2
        rounds.check_rounds(config(), folder, [loader])
        with tiny.eagerly():
            rows += rounds.series(config(), folder, loader, count, 0, lambda line: None)
    rounds.write_report(rows, folder)
    return folder, rows


@pytest.mark.golden
def test_averages_over_rounds_are_the_code_s_and_the_paper_s(golden):
    file = golden("biwaa_schedules")
    for count in range(1, len(file["run_preds"]) + 1):
        runs, last = file["run_preds"][:count], count - 1
        file.equal("agg_code", rounds.average(runs, 0.2), last)
        file.equal("agg_plain_ema", rounds.average(runs, 0.2, "plain"), last)
        np.testing.assert_array_equal(rounds.average(runs, 1.0), runs[-1])


def test_an_average_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"rounds\.average='median': choose normalised or plain"):
        rounds.average([np.ones([2, 2])], 0.2, "median")
    with pytest.raises(ValueError, match=r"rounds\.rate=0: the newest round's share is above 0"):
        rounds.average([np.ones([2, 2])], 0)


def test_what_cannot_be_done_is_refused_before_training(tmp_path, finished):
    folder, _ = finished
    with pytest.raises(ValueError, match="unknown loader 'orcale', did you mean 'oracle'"):
        rounds.check_rounds(config(), tmp_path, ["predicted", "orcale"])
    made = config()
    made.samplers.target = "oracle"
    for wrong in (made, config(prior="some.npz")):
        with pytest.raises(ValueError, match=r"follow from the round and --loaders"):
            rounds.check_rounds(wrong, tmp_path, ["random"])
    rounds.check_rounds(config(), folder, ["predicted", "oracle"])
    with pytest.raises(ValueError, match=r"oracle0 is a round with another config \(steps is 2 there and 6 here\)"):
        rounds.check_rounds(config(steps=6), folder, ["predicted"])


def test_the_oracle_is_refused_where_nobody_knows_the_labels(tmp_path, monkeypatch):
    monkeypatch.setenv("TFUDA_CACHE", str(tmp_path / "cache"))
    minis.folders(tmp_path / "photos", ("a", "b"), 4)
    minis.folders(tmp_path / "scans", ("x",), 4, seed=1)
    made = folders.get_config("biwaa")
    made.update(source=str(tmp_path / "photos"), target=str(tmp_path / "scans"))
    with pytest.raises(ValueError, match="oracle needs labels of the target's training images, and"):
        rounds.check_rounds(made, tmp_path, ["predicted", "oracle"])


@pytest.mark.parametrize("loader", ["predicted", "random"])
def test_only_the_oracle_sees_true_labels(loader, tmp_path):
    made = config()
    made.samplers.target = "balanced"  # as some recipes have it
    first = rounds.prepared(made, tmp_path, loader, 0)
    assert first.samplers.target == "uniform" and not first.prior
    assert rounds.prepared(made, tmp_path, "oracle", 0).samplers.target == "oracle"


def test_rounds_go_on_in_a_folder_that_was_moved(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "moved")
    made = Workdir(tmp_path / "moved" / "round1").config()
    assert made.prior == str(tmp_path / "moved" / "round1" / "prior.npz")
    rows = list(rounds.series(config(), tmp_path / "moved", "predicted", 3, 0, lambda line: None))
    assert rows == [row for row in finished[1] if row["loader"] == "predicted"]


def beliefs(folder, name, file="beliefs"):
    with np.load(folder / name / f"{file}.npz") as found:
        return found["beliefs"]


def test_a_round_s_prior_is_the_average_of_the_rounds_before(finished):
    folder, _ = finished
    found = [beliefs(folder, f"round{i}") for i in range(2)]
    np.testing.assert_allclose(found[0].sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(beliefs(folder, "round1", "prior"), found[0])
    np.testing.assert_allclose(beliefs(folder, "round2", "prior"), (0.8 * found[0] + found[1]) / 1.8, rtol=1e-5)
    np.testing.assert_array_equal(beliefs(folder, "oracle1", "prior"), beliefs(folder, "oracle0"))
    assert np.abs(beliefs(folder, "round2") - beliefs(folder, "round1")).max() > 1e-3


def test_every_round_has_the_same_target_images_and_other_weights(finished):
    folder, _ = finished
    first, second = (restored(folder / f"round{i}") for i in range(2))
    tasks = [build.task(Workdir(folder / f"round{i}").config()) for i in range(3)]
    for task in tasks[1:]:
        np.testing.assert_array_equal(task.streams["target"].images, tasks[0].streams["target"].images)
    kernel = [method.network.head.kernel.numpy() for method in (first, second)]
    assert np.abs(kernel[0] - kernel[1]).max() > 0.1


def test_the_sampler_keeps_to_the_prior_s_labels_or_to_the_true_ones(finished):
    folder, _ = finished
    predicted, random, oracle = (restored(folder / name) for name in ("round1", "random1", "oracle0"))
    np.testing.assert_array_equal(predicted.classes, beliefs(folder, "round1", "prior").argmax(1))
    labels = build.task(config()).trains["target"].labels
    np.testing.assert_array_equal(oracle.classes, labels)
    assert random.classes is None
    made = Workdir(folder / "oracle0").config()
    streams = build.streams(made)
    drawn = np.concatenate(
        [streams.plan("target", oracle.classes.numpy())(tf.constant(step, tf.int64))["index"] for step in range(10)]
    )
    assert np.ptp(np.bincount(labels[drawn], minlength=10)) <= 1


def test_the_first_round_is_one_for_predicted_and_random_labels(finished):
    folder, rows = finished
    names = {path.name for path in folder.iterdir() if path.is_dir()}
    assert names == {"round0", "round1", "round2", "random1", "oracle0", "oracle1"}
    first = [row for row in rows if row["round"] == 0]
    assert first[0] == {**first[1], "loader": "predicted"} and first[0]["labels"] != first[2]["labels"]


def test_tables_hold_what_was_measured(finished):
    folder, rows = finished
    with open(folder / "rounds.csv", newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["loader"] for row in written] == ["predicted"] * 3 + ["random"] * 2 + ["oracle"] * 2
    for row, line in zip(rows, written, strict=True):
        result = json.loads(
            (rounds.round_folder(folder, row["loader"], row["round"]).path / "result.json").read_text()
        )
        assert float(line["last"]) == result["last"] and float(line["labels"]) == row["labels"]
    labels = build.task(config()).trains["target"].labels
    share = (beliefs(folder, "oracle0").argmax(1) == labels).mean()
    assert rows[5]["labels"] == share
    table = (folder / "rounds.md").read_text().splitlines()
    assert table[0] == "| round | predicted | random | oracle |" and len(table) == 5
    assert f"{100 * rows[5]['last']:.1f} ({100 * share:.1f})" in table[2]


def test_a_later_command_adds_to_the_table(tmp_path):
    def row(loader, index, last):
        rest = {"seed": 0, "selected": 0.5, "oracle": 0.75, "labels": "", "agreement": ""}
        return {"loader": loader, "round": index, "last": last, **rest}

    for name in ("oracle0", "round0", "round1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "result.json").write_text('{"last": 0}')
    rounds.write_report([row("oracle", 0, 0.25), row("predicted", 0, 0.5), row("random", 1, 0.5)], tmp_path)
    rows = rounds.write_report([row("predicted", 1, 0.125), row("predicted", 0, 0.625)], tmp_path)
    assert [(r["loader"], r["round"], r["last"]) for r in rows] == [
        ("predicted", 0, 0.625),
        ("predicted", 1, 0.125),
        ("oracle", 0, 0.25),
    ]
    assert rounds.known(tmp_path) == rows and rounds.known(tmp_path / "none") == []
    (tmp_path / "rounds.csv").write_text("loader,round\nmine,0\n")
    with pytest.raises(ValueError, match="is no table of rounds"):
        rounds.known(tmp_path)


def test_a_prior_of_another_target_is_refused(finished):
    made = config(prior=str(finished[0] / "round1" / "prior.npz"))
    made.tail = 1.0
    count = len(build.task(made).streams["target"])
    with pytest.raises(ValueError, match=f"the target has {count} images of 10 classes"):
        build.method(made)


@pytest.mark.parametrize("kind", ["text", "other", "half", "nan", "strings"])
def test_a_file_that_holds_no_beliefs_is_named(kind, tmp_path):
    path = tmp_path / "prior.npz"
    arrays = {"nan": np.full([3, 2], np.nan), "strings": np.array([["a", "b"]])}
    np.savez(path, **{"other" if kind == "other" else "beliefs": arrays.get(kind, np.ones([300, 20]))})
    if kind == "half":
        path.write_bytes(path.read_bytes()[:200])
    if kind == "text":
        path.write_text("no zip at all")
    with pytest.raises(ValueError, match=r"prior.npz is no .npz file of finite beliefs \[N, K\]"):
        pseudo_labels.load_beliefs(str(path))


def words(folder, count):
    options = ["--config.steps=12", "--config.segment=4", "--config.imbalance=target", f"--rounds={count}"]
    return ["--config=configs/digits.py:biwaa", *options, *SMALL, f"--workdir={folder}"]


def kill_in(folder: pathlib.Path, name: str, count: int) -> None:
    """Start rounds and kill them once round `name` has its first checkpoint."""
    run = subprocess.Popen(
        [sys.executable, str(ROOT / "run" / "rounds.py"), *words(folder, count)], cwd=ROOT, stdout=subprocess.DEVNULL
    )
    while run.poll() is None and not (folder / name / "checkpoints" / "checkpoint").exists():
        time.sleep(0.002)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL, "the rounds were over before they could be killed"


@pytest.mark.slow
def test_rounds_that_are_killed_in_the_third_end_where_others_end(tmp_path, monkeypatch):
    monkeypatch.setattr(digits, "load_domain", digits.load_domain.__wrapped__)  # all, as the commands have them
    whole = command("rounds", *words(tmp_path / "whole", 3))
    assert whole.returncode == 0 and whole.stderr == ""
    assert "round 2 of 3, loader predicted" in whole.stdout and "| round | predicted |" in whole.stdout
    kill_in(tmp_path / "killed", "round2", 3)
    assert not (tmp_path / "killed" / "round2" / "result.json").exists()
    rest = command("rounds", *words(tmp_path / "killed", 3))
    assert rest.returncode == 0 and "resuming at step" in rest.stdout
    for name in ("rounds.csv", "rounds.md"):
        assert (tmp_path / "killed" / name).read_text() == (tmp_path / "whole" / name).read_text()
    states = [tiny.state(restored(tmp_path / folder / "round2")) for folder in ("whole", "killed")]
    assert tiny.differing(*states) == []


def test_mistakes_are_one_sentence(tmp_path):
    for word, sentence in {
        "--loaders=orcale": "unknown loader 'orcale', did you mean 'oracle'?",
        "--config.beliefs.rate=0": "beliefs.rate=0.0: a share above 0",
        "stray": "unexpected word 'stray'",
    }.items():
        done = command("rounds", *words(tmp_path, 2), word)
        assert done.returncode == 2 and sentence in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
