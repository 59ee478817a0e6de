"""The commands as a user types them: results, quiet, and errors in one sentence."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import minis
import pytest
import test_readme
from commands import ROOT, SMALL, command, fresh, rows, train_words
from PIL import Image

from tfuda.cli import launch


def test_train_prints_a_table_and_nothing_on_stderr(trained):
    workdir, done = trained
    assert done.returncode == 0
    assert done.stderr == ""
    for word in ("dannp+toalign on R-S, seed 1, 60 steps", "last", "selected", "oracle", "domain:", "task:"):
        assert word in done.stdout
    result = json.loads((workdir / "result.json").read_text())
    assert result["method"] == "dannp" and result["weigher"] == "toalign" and result["combiner"] == ""
    assert result["oracle"] >= max(result["last"], result["selected"])
    assert [row["step"] for row in rows(workdir)] == ["20", "40", "60"]
    noted = {"config", "command", "commit", "versions", "classes", "pictures"}
    assert noted == set(json.loads((workdir / "config.json").read_text()))


def test_the_same_command_again_trains_nothing(trained):
    workdir, _ = trained
    before = (workdir / "metrics.csv").read_bytes()
    again = command("train", *train_words(workdir))
    assert again.returncode == 0 and "nothing to train" in again.stdout
    assert (workdir / "metrics.csv").read_bytes() == before


MISTAKES = {
    "unknown key": (["--config.stepz=3"], "config has no key 'stepz', did you mean 'steps'?"),
    "unknown option": (["--config.options.hiden=3"], "did you mean 'hidden'?"),
    "bad value": (["--config.steps=many"], "--config.steps"),
    "unknown method": (["--config=configs/digits.py:danp"], "unknown name 'danp' in tfuda.methods, did you mean"),
    "no such import": (
        ["--config=configs/digits.py:no_such_package.mine:Mine"],
        "cannot import 'no_such_package.mine'",
    ),
    "weigher without alignment": (["--config=configs/digits.py:source_only+toalign"], "so toalign cannot act on it"),
    "idle weigher": (
        ["--config=configs/digits.py:dannp+biwaa"],
        "biwaa changes features and norms alone",
    ),
    "unknown config file": (["--config=configs/digit.py"], "there is no such file"),
    "unknown task": (["--config.task=RS"], "unknown task 'RS'"),
    "unknown domain": (["--config.task=R-Q"], "nknown domain 'Q'"),
    "batch too large": (["--config.batch=5000"], "batch 5000 does not fit stream 'source': domain R has 1400 images"),
    "strange class": (["--config.source_classes=5"], "domain S has the class '5' that the source lacks"),
    "zero steps": (["--config.steps=0"], "steps=0: a whole number from 1"),
    "bad option": (["--config=configs/digits.py:toalign[squash=sigm]"], "toalign has no squash='sigm'"),
    "stream without labels": (["--config.weigher_options.streams=('target',)"], "stream 'target' has none"),
    "cell by hand": (["--config.weigher="], "--config.weigher follows from the cell"),
    "odd batch": (["--config.batch=9", "--devices=cpu:0,cpu:1"], "batch=9 does not divide into 2 equal shares"),
    "no device": (["--devices=gpu:7"], "there is no gpu:7"),
    "stray word": (["stray"], "unexpected word 'stray'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(mistake, tmp_path):
    words, sentence = MISTAKES[mistake]
    plain = ["--config=configs/digits.py:toalign", f"--workdir={tmp_path / 'run'}"]
    done = command("train", *plain, *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_a_workdir_with_another_config_is_refused(trained):
    done = command("train", *train_words(trained[0]), "--config.batch=9")
    assert done.returncode == 2
    assert "holds a run with another config (batch is 8 there and 9 here)" in done.stderr


def test_a_mistake_leaves_no_config_behind_that_refuses_the_right_command(tmp_path):
    wrong = command("train", *train_words(tmp_path, "--config.augment.name=shfit"))
    assert wrong.returncode == 2 and "augment.name='shfit', did you mean 'shift'?" in wrong.stderr
    assert not (tmp_path / "config.json").exists()


def test_a_diverged_run_says_so(tmp_path):
    done = command("train", *train_words(tmp_path, "--config.optimizer.rate=1e9", steps=20))
    assert done.returncode == 3 and done.stderr.count("\n") == 1
    assert "training diverged in step" in done.stderr and "lower optimizer.rate, or" in done.stderr


def test_sigterm_where_there_is_nothing_to_save(capsys):
    with pytest.raises(SystemExit) as ended:
        launch.leave(signal.SIGTERM, None)
    assert ended.value.code == 143 and "the same command resumes" in capsys.readouterr().err


def test_a_workdir_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = command("train", *train_words(tmp_path / "file" / "run"))
    assert done.returncode == 2
    assert "cannot write to --workdir=" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_two_devices_train_through_the_command_line(tmp_path):
    words = train_words(tmp_path / "two", "--devices=cpu:0,cpu:1", cell="dann", steps=6, segment=3)
    done = command("train", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(rows(tmp_path / "two")) == 2


def test_evaluate_prints_a_table_by_class_and_draws_the_confusion(trained):
    done = command("evaluate", f"--workdir={trained[0]}", "--split=test")
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads((trained[0] / "result.json").read_text())
    assert f"accuracy            {100 * result['selected']:5.1f} %" in done.stdout
    assert Image.open(trained[0] / "plots" / "confusion_target_test.png").size[0] > 500


def test_a_method_and_a_regulariser_from_outside_train_with_one_config_line(tmp_path):
    """As docs/adding-a-method.md shows them."""
    package = tmp_path / "mypackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text(
        "\n".join(block for block in test_readme.blocks() if "mypackage/mine.py" in block)
    )
    words = train_words(
        tmp_path / "run", "--config.options.strength=3.0", cell="mypackage.mine:Mine+toalign", steps=4
    )
    words[0] += "+mypackage.mine:Sure[trade_off=0.2]"
    words[0] = words[0].replace("configs/", f"{ROOT}/configs/")
    done = command("train", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert (result["method"], result["regulariser"]) == ("mypackage.mine:Mine", "mypackage.mine:Sure")
    assert all(float(row["sure"]) > 0 for row in rows(tmp_path / "run"))


def test_benchmark_fills_a_table_and_resumes(tmp_path):
    words = [
        "--config=configs/digits.py",
        "--methods=source_only,toalign[scale=8]",
        "--tasks=R-S",
        f"--workdir={tmp_path}",
        "--config.steps=4",
        "--config.segment=4",
        *SMALL,
    ]
    done = command("benchmark", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "[2/2]" in done.stdout
    table = (tmp_path / "results.md").read_text()
    assert "| dannp+toalign[scale=8] |" in table and "R-S (tuned)" in table
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 3
    assert done.stdout.count("source_only ") >= 1 and "R-S: source_only" in done.stdout
    again = command("benchmark", *words)
    assert "[1/" not in again.stdout
    fixed = command("benchmark", *words, "--config.seed=3")
    assert fixed.returncode == 2 and "--config.seed is one value for all runs" in fixed.stderr
    assert (tmp_path / "results.md").read_text() == table


def test_a_benchmark_without_methods_or_of_an_unknown_table_is_one_sentence(tmp_path):
    wrong = command("benchmark", "--table=biwaa.6", f"--workdir={tmp_path}")
    assert wrong.returncode == 2 and "unknown --table='biwaa.6'" in wrong.stderr and "daaa.4" in wrong.stderr
    bare = command("benchmark", "--config=configs/digits.py", f"--workdir={tmp_path}")
    assert bare.returncode == 2 and "--methods is missing" in bare.stderr


@pytest.mark.slow
def test_benchmark_trains_a_part_of_a_paper_s_table_and_tests_its_pair(tmp_path):
    root = minis.archive("office31", tmp_path / "data", ("amazon", "webcam"))
    words = [
        "--table=biwaa.4.office31",
        "--methods=dann@biwaa,dann+biwaa",
        "--tasks=A-W",
        "--seeds=1",
        f"--config.root={root}",
        "--config.network.name=small",
        "--config.view.resize=36",
        "--config.view.size=32",
        "--config.view.test=center",
        "--config.steps=2",
        "--config.segment=2",
        "--config.batch=8",
        "--config.options.hidden=8",
    ]
    done = command("benchmark", *words, f"--workdir={tmp_path / 'runs'}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("biwaa.4.office31: BIWAA's weights alone, Office-31\n") and "[2/2]" in done.stdout
    assert (tmp_path / "runs" / "dann@biwaa" / "A-W" / "seed0" / "result.json").is_file()
    text = (tmp_path / "runs" / "results.md").read_text()
    assert "Minus dann@biwaa" in text and "| dann+biwaa |" in text


@pytest.mark.slow
def test_tune_searches_without_target_labels_and_resumes(tmp_path):
    words = ["--config=configs/digits.py:toalign", f"--workdir={tmp_path}", "--config.steps=4", *SMALL]
    done = command("tune", *words, "--trials=2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == f"python run/train.py --config={tmp_path / 'best.py'} --workdir=DIR"
    trained = command("train", f"--config={tmp_path / 'best.py'}", f"--workdir={tmp_path / 'own'}", "--seed=1")
    assert (trained.returncode, trained.stderr) == (0, "") and " 4 steps, " in trained.stdout
    more = command("tune", *words, "--trials=3")
    assert more.returncode == 0
    assert re.findall(r"^trial (\d):", more.stdout, re.M) == ["2"]
    other = command("tune", *words, "--search_seed=1")
    assert other.returncode == 2 and "was searched with --search_seed=0, not 1: say the same" in other.stderr
    other = command("tune", *words, "--config.task=R-M")
    assert other.returncode == 2 and "holds a run with another config (task" in other.stderr


def test_a_mistake_ends_a_search_at_once(tmp_path):
    done = command("tune", "--config=configs/digits.py:toalign", f"--workdir={tmp_path}", "--config.task=R-Q")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "nknown domain 'Q'" in done.stderr


def test_bench_gives_ratios_to_supervised_training():
    done = command("bench", "--methods=dannp", "--rounds=2", "--batch=4", "--json", *SMALL)
    assert (done.returncode, done.stderr) == (0, "")
    found = {row["method"]: row["ratio"] for row in json.loads(done.stdout)}
    assert found["supervised"] == 1.0 and found["dannp"] > 0.3


def test_bench_of_a_gpu_says_that_there_is_none():
    done = command("bench", "--what=gpu", "--methods=dann", *SMALL)
    assert done.returncode == 2
    assert done.stderr.endswith("--what=gpu needs a GPU, and TensorFlow sees none on this machine\n")


def test_images_writes_a_domain_as_class_folders(tmp_path):
    done = command("images", "--config=configs/digits.py", "--domain=H", "--count=20", f"--out={tmp_path}")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(tmp_path.glob("*/*.png"))) == 20


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "run").glob("*.py")))
def test_help_shows_an_example_and_every_main_is_short(name):
    done = command(name, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert f"python run/{name}.py" in done.stdout and "--debug" in done.stdout
    assert len((ROOT / "run" / f"{name}.py").read_text().splitlines()) <= 10
    assert len((ROOT / "tfuda" / "cli" / "commands" / f"{name}.py").read_text().splitlines()) <= 100


@pytest.mark.slow
def test_the_first_step_comes_within_fifteen_seconds(tmp_path):
    started = time.monotonic()
    done = fresh("train", *train_words(tmp_path / "run", steps=1, segment=1))
    assert done.returncode == 0
    assert time.monotonic() - started < 15 + 10  # evaluation, checkpoint and a noisy machine


def test_importing_prints_nothing():
    done = fresh("train", "--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("Train")


@pytest.mark.slow
def test_importing_costs_little():
    script = (
        "import time, keras, tensorflow\nstart = time.perf_counter()\nimport tfuda\n"
        "print(time.perf_counter() - start)"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    timed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert float(timed.stdout) < 0.3
