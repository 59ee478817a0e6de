"""A SavedModel under load: `run/bench.py --what=serving` on a tiny network."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tiny
from commands import command

from tfuda.profiling import serving_load, step_time
from tfuda.profiling.serving_load import Request, Tally
from tfuda.serving import export


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A network, its SavedModel, and pictures with the network's answers."""
    task, method = tiny.prepared(tiny.config("hda"))
    path = tmp_path_factory.mktemp("served") / "model"
    export.export_network(method.network, task.classes, path, task.streams["target"].images[:4])
    pictures = serving_load.pictures(((24, 40), (32, 32), (75, 50)), 6)
    return export.Model(path), serving_load.answers(serving_load.by_keras(method.network), pictures)


@pytest.mark.slow
def test_threads_get_their_own_answers_and_broken_pictures_hurt_nobody_else(served):
    rows, memory = serving_load.stress(*served, rounds=1, batches=(1, 5), seconds=0.2, threads=32)
    assert [(row["signature"], row["batch"]) for row in rows] == [
        ("images", 1),
        ("images", 5),
        ("files", 1),
        ("files", 5),
    ]
    assert all(row["answered"] >= 32 and 0 < row["p50_ms"] <= row["p99_ms"] for row in rows)
    assert all((row["refused"] > 0) == (row["signature"] == "files") for row in rows)
    assert all(float(row["largest_difference"]) <= serving_load.TOLERANCE for row in rows)
    assert len(memory) == 2


def test_a_picture_that_cannot_be_decoded_is_a_sentence(served):
    model, groups = served
    sound, answer = groups[0][0]
    for junk in serving_load.broken(sound):
        with pytest.raises(ValueError, match=r"^a request of 2 pictures is refused: [^\n]+$"):
            model.files([sound, junk])
        np.testing.assert_allclose(model.files([sound])[0], answer, atol=serving_load.TOLERANCE)


def test_answers_that_are_swapped_between_requests_are_found(served):
    model, groups = served
    shared = {}

    def mixed_up(encoded):
        """Threads write their answers to one place, and read what the latest wrote."""
        shared["answer"] = model.files(encoded)
        time.sleep(0.01)
        return shared["answer"]

    tally = Tally()
    asked = [Request([data], answer[None]) for data, answer in (groups[0][0], groups[1][0])]
    with ThreadPoolExecutor(4) as pool:
        serving_load.load(mixed_up, asked, tally, 0.2, pool, 4)
    assert tally.faults and all("an answer is wrong by" in fault for fault in tally.faults)
    assert tally.difference > serving_load.TOLERANCE


def test_a_sound_request_that_is_refused_and_a_broken_one_that_is_answered_are_faults(served):
    model, groups = served
    data, answer = groups[0][0]
    tally = Tally()
    serving_load.ask(model.files, Request([b"no picture"], answer[None]), tally)
    serving_load.ask(model.files, Request([data], None), tally)
    assert len(tally.faults) == 2 and "refused" in tally.faults[0] and "answered" in tally.faults[1]


def test_a_model_that_says_the_same_of_all_is_refused(served):
    with pytest.raises(ValueError, match="swapped answers would not be seen"):
        serving_load.answers(lambda data: np.ones(3), [[b"1", b"2"]])


def test_the_bench_asks_for_a_model():
    with pytest.raises(ValueError, match="--what=serving needs --model, --workdir, or both"):
        serving_load.measure("", "", rounds=1)


@pytest.mark.slow
def test_sound_requests_leave_nothing_in_memory(served):
    model, groups = served
    asked = serving_load.requests(groups, "images", 64) + serving_load.requests(groups, "files", 64)
    memory = []
    for _ in range(40):
        for request in asked:
            if request.answer is not None:
                (model.files if isinstance(request.content, list) else model)(request.content)
        memory.append(step_time.resident("VmRSS"))
    assert memory[-1] < 1.01 * memory[9]


@pytest.mark.slow
def test_memory_under_load_is_the_allocators(served):
    """Of 32 threads at once it takes rounds to reach its height: what one needs in each arena of the allocator."""
    rows, memory = serving_load.stress(*served, rounds=6, batches=(1, 4, 16, 64), seconds=0.5, threads=32)
    assert len(rows) == 8 and len(memory) == 7
    assert memory[-1] < 1.15 * memory[3]


@pytest.mark.slow
def test_the_bench_prints_a_table(trained):
    done = command("bench", "--what=serving", f"--workdir={trained[0]}", "--rounds=1")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "every answer is the Keras model's" in lines[0] and "MB of RAM after warm-up" in lines[0]
    assert [line.split(" | ")[:2] for line in lines[4:]] == [
        [f"| {kind}", str(n)] for kind in ("images", "files") for n in serving_load.BATCHES
    ]
