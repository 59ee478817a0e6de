"""run/benchmark.py --processes: the numbers of one process, no run twice, nothing left behind."""

import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import killing
import numpy as np
import pytest
import tiny
from commands import ROOT, SMALL, command

from configs import digits
from tfuda.distributed import devices
from tfuda.experiment import prerequisites
from tfuda.experiment.workdir import Workdir
from tfuda.studies import grid, processes

TINY = ["--config=configs/digits.py", "--config.steps=8", "--config.segment=4", *SMALL]


def words(folder, *more, methods="source_only,dann,toalign[scale=8]", tasks="R-S,H-M,M-H,S-R", seeds=2):
    return [*TINY, f"--methods={methods}", f"--tasks={tasks}", f"--seeds={seeds}", f"--workdir={folder}", *more]


def started(folder, *more, **grid):
    """The command, as the head of a group of its own, as a shell starts it."""
    full = [sys.executable, str(ROOT / "run" / "benchmark.py"), *words(folder, *more, **grid)]
    return subprocess.Popen(
        full, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def group(leader: int) -> set[int]:
    """Processes of a group that live."""
    found = set()
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, number = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(number) == leader and state != "Z":
            found.add(int(path.parent.name))
    return found


def gone(leader: int) -> bool:
    """Has every process of a group ended, or does within seconds?"""
    end = time.monotonic() + 60
    while group(leader) and time.monotonic() < end:
        time.sleep(0.1)
    return not group(leader)


def at_work(run, folder, what="config.json"):
    """Wait until a run has begun."""
    while not [*folder.rglob(what)]:
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.02)


# ---- who trains what


def test_gpus_are_dealt_out_and_shared_where_they_are_few(monkeypatch):
    monkeypatch.setattr(devices.tf.config, "list_physical_devices", lambda kind: ["one"] * 4)
    assert devices.shares("gpu:0,gpu:1", 2) == [[0], [1]]
    assert devices.shares("", 2) == [[0, 2], [1, 3]]
    assert devices.shares("gpu:3,gpu:1", 3) == [[3], [1], [3]]
    assert devices.shares("cpu:0", 2) == [[], []]
    with pytest.raises(ValueError, match="there is no gpu:7; this machine has 4 GPUs"):
        devices.shares("gpu:7", 2)


class Pipe(list):
    send = list.append


def test_a_free_process_gets_the_first_run_whose_stage_nobody_makes(tmp_path):
    runs = grid.make_grid(tiny.config, ["adda", "adda[hidden=4]", "dann"], ["R-S"], [0, 1], tmp_path)
    assert prerequisites.unmade(runs[0].config, runs[0].workdir.path) == {str(tmp_path / "teacher-adda" / "R-S-0")}
    children = [processes.Child(None, Pipe()) for _ in range(4)]
    todo, later = [0, 1, 2, 3, 4, 5], {2: time.monotonic() + 100}
    for child in children:
        processes.give_run(child, todo, runs, later, children)
    assert [child.pipe for child in children] == [[0], [3], [5], []]
    assert todo == [1, 2, 4], "1 and 4 wait for a teacher, 2 for another command"
    children[0].takes = set()
    processes.give_run(children[3], todo, runs, later, children)
    assert children[3].pipe == [1]


def test_a_mistake_that_a_process_finds_is_the_commands_one_sentence(tmp_path):
    grid = {"methods": "source_only", "tasks": "R-S", "seeds": 1}
    done = command("benchmark", *words(tmp_path, "--processes=2", "--config.batch=5000", **grid))
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "batch 5000 does not fit stream 'source'" in done.stderr


# ---- whole grids


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Twenty-four runs in one process, undisturbed: what they leave."""
    folder = tmp_path_factory.mktemp("whole")
    done = command("benchmark", *words(folder))
    assert (done.returncode, done.stderr) == (0, "") and "[24/24]" in done.stdout
    return killing.content(folder), sorted(line.split(",")[0] for line in done.stdout.splitlines() if line[:1] == "[")


@pytest.mark.slow
def test_two_processes_find_what_one_finds_to_the_bit_and_say_the_same(whole, tmp_path):
    done = command("benchmark", *words(tmp_path, "--processes=2"))
    assert (done.returncode, done.stderr) == (0, "")
    assert killing.content(tmp_path) == whole[0]
    assert sorted(line.split(",")[0] for line in done.stdout.splitlines() if line[:1] == "[") == whole[1]


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--processes=2"]], ids=["one", "two"])
def test_a_grid_that_is_killed_three_times_ends_with_the_table_of_one_that_is_not(whole, more, tmp_path):
    rng = np.random.default_rng(len(more))
    for _ in range(3):
        run, runs = started(tmp_path, *more), int(rng.integers(1, 5))
        ended = len([*tmp_path.glob("*/*/*/result.json")])
        while run.poll() is None and len([*tmp_path.glob("*/*/*/result.json")]) < min(ended + runs, 22):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 1))
        run.kill()
        _, errors = run.communicate(timeout=120)
        assert (run.returncode, errors) == (-signal.SIGKILL, "")
        assert gone(run.pid)
    done = command("benchmark", *words(tmp_path, *more))
    assert (done.returncode, done.stderr) == (0, "")
    assert killing.content(tmp_path) == whole[0]


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_ctrl_c_stops_all_processes_with_their_steps_saved(number, code, tmp_path):
    grid = {"methods": "source_only,dann", "tasks": "R-S", "seeds": 1}
    more = ["--processes=2", "--config.steps=3000", "--config.segment=1000"]
    run = started(tmp_path, *more, **grid)
    at_work(run, tmp_path / "source_only"), at_work(run, tmp_path / "dann")
    time.sleep(5)
    (os.killpg if number == signal.SIGINT else os.kill)(run.pid, number)
    _, errors = run.communicate(timeout=120)
    assert (run.returncode, errors.strip()) == (code, "stopped; the same command resumes")
    assert gone(run.pid) and [*tmp_path.rglob("checkpoint")]


@pytest.mark.slow
def test_processes_in_the_middle_of_training_end_with_a_parent_that_is_killed(tmp_path):
    grid = {"methods": "source_only,dann", "tasks": "R-S", "seeds": 1}
    run = started(tmp_path, "--processes=2", "--config.steps=1000000", **grid)
    at_work(run, tmp_path / "source_only"), at_work(run, tmp_path / "dann")
    assert len(group(run.pid)) >= 3
    run.kill()
    assert gone(run.pid) and run.communicate(timeout=10)[1] == ""


@pytest.mark.slow
def test_runs_that_share_a_teacher_train_it_once(tmp_path):
    grid = {"methods": "adda,adda[hidden=4]", "tasks": "R-S", "seeds": 1}
    for folder, more in ((tmp_path / "one", []), (tmp_path / "two", ["--processes=2"])):
        done = command("benchmark", *words(folder, *more, **grid))
        assert (done.returncode, done.stderr) == (0, "") and done.stdout.count("stage 1 of 2, source network") == 2
    one, two = (killing.content(tmp_path / name) for name in ("one", "two"))
    assert one == two and len([*(tmp_path / "two" / "teacher-adda" / "R-S-0" / "events").iterdir()]) == 1


@pytest.mark.slow
def test_a_run_that_another_command_trains_is_waited_for(tmp_path):
    grid = {"methods": "source_only,dann", "tasks": "R-S", "seeds": 1}
    with Workdir(tmp_path / "dann" / "R-S" / "seed0").claim(digits.get_config("dann")):
        run = started(tmp_path, "--processes=2", **grid)
        said = []
        reader = threading.Thread(target=lambda: said.extend(run.stdout))
        reader.start()
        while not any("dann R-S seed 0 waits: another process is training in" in line for line in said):
            assert run.poll() is None, run.stderr.read()
            time.sleep(0.1)
    assert run.wait(timeout=200) == 0, run.stderr.read()
    reader.join()
    assert sum("waits" in line for line in said) == 1 and "| dann |" in (tmp_path / "results.md").read_text()


@pytest.mark.slow
def test_runs_that_diverge_are_named_and_the_others_are_in_the_table(tmp_path):
    cells = "source_only,dann[trade_offs.domain=1e30]"
    done = command("benchmark", *words(tmp_path, "--processes=2", methods=cells, tasks="R-S", seeds=1))
    assert (done.returncode, done.stderr) == (1, "")
    assert "dann[trade_offs.domain=1e30] R-S seed 0: training diverged in step" in done.stdout
    assert "| source_only |" in (tmp_path / "results.md").read_text()


@pytest.mark.slow
def test_a_process_that_dies_is_one_sentence(tmp_path):
    run = started(tmp_path, "--processes=2", "--config.steps=3000", tasks="R-S", seeds=1)
    at_work(run, tmp_path)
    parents = {pid: pathlib.Path(f"/proc/{pid}/cmdline").read_text() for pid in group(run.pid)}
    os.kill(next(pid for pid, line in parents.items() if "spawn_main" in line), signal.SIGKILL)
    _, errors = run.communicate(timeout=200)
    assert run.returncode == 2 and "a process ended with code -9 while it trained" in errors
    assert errors.count("\n") == 1 and gone(run.pid)
