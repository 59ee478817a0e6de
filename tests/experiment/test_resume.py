"""Killed, interrupted, damaged: a run ends where an undisturbed one ends, or says why not."""

import shutil
import signal

import killing
import pytest
import tiny
from commands import command, restored, rows, train_words

from tfuda.experiment import callbacks, training
from tfuda.experiment.workdir import Workdir


def same_end(one, other):
    assert rows(one) == rows(other)
    assert tiny.differing(*(tiny.state(restored(workdir)) for workdir in (one, other))) == []


def at(part: str):
    """The moment when a name with this part is seen."""
    return lambda new, since: any(part in name for name in new)


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_writes_a_checkpoint_ends_where_one_that_is_not_ends(trained, tmp_path):
    workdir, words = tmp_path / "killed", train_words(tmp_path / "killed")
    for _ in range(5):  # the moment is short, and the machine may be busy
        shutil.rmtree(workdir, ignore_errors=True)
        code, *_ = killing.kill("train", words, workdir, at("ckpt-2_temp"))
        if code == -signal.SIGKILL:
            break
    assert code == -signal.SIGKILL and not (workdir / "result.json").exists()
    assert killing.content(workdir)["checkpoints/checkpoint"]
    done = command("train", *words)
    assert done.returncode == 0 and "resuming at step" in done.stdout
    same_end(workdir, trained[0])
    assert not list((workdir / "checkpoints").glob("*_temp"))


@pytest.mark.parametrize(
    "number, expected", [(signal.SIGTERM, 0), pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow)]
)
def test_a_signal_leaves_a_checkpoint_in_mid_segment(number, expected, trained, tmp_path):
    workdir, words = tmp_path / "stopped", train_words(tmp_path / "stopped", "--config.steps_per_execution=10")
    code, errors, _ = killing.kill("train", words, workdir, at("ckpt-1.index"), number)
    assert code == expected
    assert "the same command resumes" in errors and "Traceback" not in errors
    assert 20 <= int(errors.split("stopped at step ")[1].split()[0]) < 60
    assert command("train", *words).returncode == 0
    same_end(workdir, trained[0])


def test_sigterm_twice_still_saves_and_a_second_ctrl_c_does_not_wait():
    with callbacks.Stoppable(None) as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert stop.caught == signal.SIGTERM


def test_a_damaged_checkpoint_is_named(trained, tmp_path):
    shutil.copytree(trained[0], tmp_path / "run")
    for file in (tmp_path / "run").glob("*/*.data*"):
        file.write_bytes(file.read_bytes()[:100])
    done = command("evaluate", f"--workdir={tmp_path / 'run'}")
    assert done.returncode == 2 and "is damaged" in done.stderr and done.stderr.count("\n") == 1


def test_a_workdir_is_for_one_process_at_a_time(tmp_path):
    with Workdir(tmp_path).claim(tiny.config()), pytest.raises(ValueError, match="another process is training"):
        training.train_run(tiny.config(), Workdir(tmp_path))
