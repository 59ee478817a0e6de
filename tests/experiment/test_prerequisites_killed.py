"""run/train.py on DAAA, killed in each of its three stages."""

import signal
import subprocess
import sys
import time

import pytest
import tiny
from commands import ROOT, command

from tfuda.experiment import training, translated_pairs
from tfuda.experiment.workdir import Workdir


def words(folder):
    tiny_pairs = {"steps": 8, "segment": 2, "batch": 2, "width": 4, "blocks": 1}
    return [
        "--config=configs/digits.py:daaa",
        "--config.steps=60",
        "--config.segment=20",
        "--config.batch=40",
        "--config.network_options.widths=(4,6,8)",
        "--config.network_options.convolutions=1",
        f"--workdir={folder}",
        "--seed=1",
        *(f"--config.pairs.{key}={value}" for key, value in tiny_pairs.items()),
    ]


def killed(folder, checkpoint):
    """Start the command, and kill it once a file is there."""
    run = subprocess.Popen(
        [sys.executable, str(ROOT / "run" / "train.py"), *words(folder)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while run.poll() is None:
        if (folder / checkpoint).exists():
            run.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    return run.wait(timeout=120)


def end(folder):
    """All that a finished command leaves, without the seconds."""

    def plain(rows):
        return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]

    found = {
        direction: (folder / "pairs" / f"{direction}.npy").read_bytes() for direction in translated_pairs.DIRECTIONS
    }
    for home in (folder, folder / "teacher", folder / "pairs"):
        found[f"{home.relative_to(folder)} rows"] = plain(Workdir(home).rows())
    for home in (folder, folder / "teacher"):
        found[f"{home.relative_to(folder)} result"] = plain([Workdir(home).finished()])
    return found, [tiny.state(training.load_run(home)[2]) for home in (folder, folder / "teacher")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = command("train", *words(folder))
    assert done.returncode == 0, done.stderr
    assert all(f"stage {number} of 3" in done.stdout for number in (1, 2, 3))
    return end(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    "checkpoint, unfinished",
    [
        ("pairs/checkpoints/ckpt-2.index", "pairs/index.json"),
        ("teacher/checkpoints/ckpt-2.index", "teacher/result.json"),
        ("checkpoints/ckpt-2.index", "result.json"),
    ],
)
def test_a_command_killed_in_any_stage_ends_where_one_that_is_not_ends(undisturbed, checkpoint, unfinished, tmp_path):
    folder = tmp_path / "run"
    assert killed(folder, checkpoint) == -signal.SIGKILL and not (folder / unfinished).exists()
    done = command("train", *words(folder))
    assert done.returncode == 0 and "resuming at step" in done.stdout, done.stderr
    content, states = end(folder)
    assert content == undisturbed[0]
    assert [tiny.differing(*both) for both in zip(states, undisturbed[1])] == [[], []]
