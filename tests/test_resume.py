"""Killed, interrupted, damaged: a run ends where an undisturbed one ends, or says why not."""

import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny
from commands import ROOT, command, restored, rows, train_words

from tfuda import experiment
from tfuda.workdir import Workdir


def kill_at(words, moment, number=signal.SIGKILL, checkpoint=1):
    """Start a training, and send it a signal once `moment(seconds since that checkpoint was begun)` says so."""
    workdir = pathlib.Path(next(w for w in words if w.startswith("--workdir=")).partition("=")[2])
    run = subprocess.Popen(
        [sys.executable, str(ROOT / "run" / "train.py"), *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    first = None
    while run.poll() is None:
        if first is None and (workdir / "checkpoints" / f"ckpt-{checkpoint}.index").exists():
            first = time.monotonic()
        if first is not None and moment(time.monotonic() - first):
            run.send_signal(number)
            break
        time.sleep(0.002)
    _, errors = run.communicate(timeout=120)
    return run.returncode, errors


def same_end(one, other):
    assert rows(one) == rows(other)
    assert tiny.differing(*(tiny.state(restored(workdir)) for workdir in (one, other))) == []


def test_a_run_that_is_killed_ends_where_one_that_is_not_ends(trained, tmp_path):
    workdir, words = tmp_path / "killed", train_words(tmp_path / "killed")
    code, _ = kill_at(words, lambda since: True, checkpoint=2)
    assert code == -signal.SIGKILL and not (workdir / "result.json").exists()
    done = command("train", *words)
    assert done.returncode == 0 and "resuming at step" in done.stdout
    same_end(workdir, trained[0])


def test_ctrl_c_leaves_a_checkpoint_in_mid_segment(trained, tmp_path):
    workdir, words = tmp_path / "stopped", train_words(tmp_path / "stopped", "--config.steps_per_execution=10")
    code, errors = kill_at(words, lambda since: True, signal.SIGINT)
    assert code == 130
    assert "the same command resumes" in errors and "Traceback" not in errors
    assert 20 <= int(errors.split("stopped at step ")[1].split()[0]) < 60
    assert command("train", *words).returncode == 0
    same_end(workdir, trained[0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_kills_at_many_moments(trained, tmp_path, seed):
    rng = np.random.default_rng(seed)
    words = train_words(tmp_path / "killed")
    for _ in range(3):
        wait = rng.uniform(0, 1.5)
        kill_at(words, lambda since, wait=wait: since > wait)
    assert command("train", *words).returncode == 0
    same_end(tmp_path / "killed", trained[0])


def test_a_damaged_checkpoint_is_named(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    for file in (tmp_path / "run" / "checkpoints").glob("*.data*"):
        file.write_bytes(file.read_bytes()[:100])
    done = command("evaluate", f"--workdir={tmp_path / 'run'}")
    assert done.returncode == 2 and "is damaged" in done.stderr and done.stderr.count("\n") == 1


def test_a_workdir_is_for_one_process_at_a_time(tmp_path):
    with Workdir(tmp_path).claim(tiny.config()), pytest.raises(ValueError, match="another process is training"):
        experiment.train(tiny.config(), Workdir(tmp_path))
