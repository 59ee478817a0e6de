"""One job on two hosts, which are processes here: the numbers of one, one writer, and an end for all."""

import pathlib
import signal
import time

import numpy as np
import pytest
import tensorflow as tf
import tiny
import worker
from commands import ROOT, on_hosts, restored, rows, train_words

from tfuda.data import augment
from tfuda.data.pipeline import Streams
from tfuda.data.views import View
from tfuda.experiment import build

NORM = "source_only/norm"
CELLS = [
    *("mstn+biwaa", "mstn+biwaa+metaalign", "dannp+toalign", "gsda", "hda+toalign", "tada", "daaa", "mme", "adda+bsp")
]


def ended(processes, codes):
    """(output, errors) of each, once all have ended as they should."""
    found = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == codes, found
    return found


def trained(folder, cells):
    ended(on_hosts(ROOT / "tests" / "worker.py", folder, ",".join(cells)), [0, 0])
    return folder


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A short run as run/train.py makes it."""
    return trained(tmp_path_factory.mktemp("short"), ["short"]) / "short"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Folder of what both workers held at the end of each cell, and of a run."""
    return trained(tmp_path_factory.mktemp("both"), [*CELLS, NORM, "run"])


@pytest.fixture(params=CELLS)
def held(request, both):
    """A cell, and what each worker held of it."""
    return request.param, *(dict(np.load(both / f"{request.param}.{name}.npz")) for name in ("first", "second"))


@pytest.mark.slow
def test_two_workers_end_where_one_process_ends(held, double):
    cell, first, _ = held
    alone = tiny.state(tiny.train(worker.config(cell)))
    kept = [name for name in alone if not name.endswith(("state", "total", "count"))]
    assert alone.keys() == first.keys() and any(name.endswith("step") for name in kept)
    assert max(np.abs(alone[name] - first[name]).max() for name in kept) < 1e-9


@pytest.mark.slow
def test_both_workers_hold_the_same_to_the_bit(held):
    _, first, second = held
    assert tiny.differing(first, second) == []


@pytest.mark.slow
def test_both_workers_evaluate_by_the_statistics_of_the_first_device(both):
    first, second = (dict(np.load(both / f"source_only_norm.{name}.npz")) for name in ("first", "second"))
    moving = [name for name in first if "moving_" in name]
    assert len(moving) == 6 and tiny.differing(first, second) == []


def test_one_worker_writes(short):
    names = {path.name for path in short.iterdir()}
    kept = {"checkpoints", "selected", "predicted.npz", "outputs.npz", "events"}
    assert names == {".lock", "config.json", "metrics.csv", "result.json", *kept}
    assert len(list((short / "events").iterdir())) == 1
    assert [row["step"] for row in rows(short)] == ["2", "4", "6"]


def disturbed(workdir, words, number, whom, checkpoint, codes):
    """Start a job, and send one worker a signal after a checkpoint: what both have said."""
    processes = on_hosts(ROOT / "run" / "train.py", *words)
    while not (workdir / "checkpoints" / f"ckpt-{checkpoint}.index").exists() and processes[0].poll() is None:
        time.sleep(0.01)
    processes[whom].send_signal(number)
    return [errors for _, errors in ended(processes, codes)]


@pytest.mark.slow
def test_a_job_that_was_stopped_and_killed_ends_where_an_undisturbed_one_ends(both, tmp_path):
    workdir = tmp_path / "run"
    words = train_words(workdir, cell="dann")
    said = disturbed(workdir, words, signal.SIGTERM, 1, 1, [0, 0])
    steps = [text.split("stopped at step ")[1].split()[0] for text in said]
    assert steps[0] == steps[1] and 20 < int(steps[0]) < 60
    assert len(list((workdir / "checkpoints").glob("*.index"))) == 2
    said = disturbed(workdir, words, signal.SIGKILL, 0, 3, [-signal.SIGKILL, 2])
    assert "worker 1 of 2 has lost another one" in said[1] and "Traceback" not in said[1]
    assert not (workdir / "result.json").exists()
    ended(on_hosts(ROOT / "run" / "train.py", *words), [0, 0])
    assert rows(workdir) == rows(both / "run")
    assert tiny.differing(*(tiny.state(restored(folder)) for folder in (workdir, both / "run"))) == []


@pytest.mark.slow
def test_a_worker_that_is_killed_is_missed_by_the_first(tmp_path):
    workdir = tmp_path / "run"
    words = train_words(workdir, "--config.steps=4000", cell="dann")
    said = disturbed(workdir, words, signal.SIGKILL, 1, 1, [2, -signal.SIGKILL])
    assert "worker 0 of 2 has lost another one" in said[0]


@pytest.mark.slow
def test_a_mistake_that_one_worker_finds_is_said_by_all(tmp_path):
    said = ended(on_hosts(ROOT / "run" / "train.py", *train_words(both_gone(tmp_path), cell="dann")), [2, 2])
    assert all("cannot write to --workdir" in errors for _, errors in said)


def both_gone(folder: pathlib.Path) -> pathlib.Path:
    (folder / "file").touch()
    return folder / "file" / "run"


@pytest.mark.slow
def test_daaa_on_several_hosts_needs_what_its_stages_make(tmp_path):
    words = train_words(tmp_path / "run", "--config.batch=40", cell="daaa")
    words = [word for word in words if "hidden" not in word and word != "--config.batch=8"]
    said = ended(on_hosts(ROOT / "run" / "train.py", *words), [2, 2])
    assert all("needs finished pairs in" in errors and "run/pair.py" in errors for _, errors in said)


ASKS = """
from tfuda.distributed import devices, multi_host

with devices.strategy(hosts=True):
    multi_host.answer_of_first(lambda: {}["key"])
"""


def test_any_error_of_the_first_worker_reaches_the_others(tmp_path):
    (tmp_path / "asks.py").write_text(ASKS)
    first, second = (errors for _, errors in ended(on_hosts(tmp_path / "asks.py"), [1, 1]))
    assert "KeyError: 'key'" in first.splitlines()[-1] and "ValueError: KeyError: 'key'" in second


# ---- a worker's rows


@pytest.mark.parametrize("kind", ["arrays", pytest.param("pictures", marks=pytest.mark.slow)])
def test_workers_and_their_devices_share_a_batch_in_order(kind):
    made = tiny.config(batch=8)
    domains = build.task(made).streams
    change = augment.shift if kind == "arrays" else lambda images, seed: augment.shift(images, seed, 1)
    view = View() if kind == "arrays" else View(20, 16, "resized_crop", True)
    streams = Streams(domains, {"source": 8, "target": 4}, 3, change, view)
    whole = list(streams.dataset(5, 7))
    for workers, devices in ((2, 1), (1, 2), (2, 2)):
        shares = [list(streams.dataset(5, 7, None, (i, workers, devices))) for i in range(workers)]
        for i, batch in enumerate(whole):
            parts = [part for share in shares for part in share[i * devices : (i + 1) * devices]]
            joined = tf.nest.map_structure(lambda *xs: tf.concat(xs, 0), *parts)
            tf.nest.map_structure(np.testing.assert_array_equal, joined, batch)
