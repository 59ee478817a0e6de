"""Train the runs of a grid in several processes at once, each on a share of the devices.

The parent gives a free process the first run that no process trains. A run waits if it would make a prerequisite
(pairs, a teacher) that another run is making. A run also waits if another command holds its folder or a prerequisite.
A process ends with its parent, whatever ends the parent: the process watches a pipe that the parent's end closes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection, wait
from typing import Any

import tensorflow as tf

from tfuda import startup
from tfuda.distributed import devices
from tfuda.errors import EXPECTED, sentence
from tfuda.experiment import prerequisites
from tfuda.experiment.callbacks import Stopped
from tfuda.experiment.workdir import Held
from tfuda.studies import grid
from tfuda.studies.grid import Outcome, Run

AGAIN = 5.0  # seconds between two tries of a folder that another command holds
PATIENCE = 120.0  # seconds in which a process may end its step, and save


@dataclasses.dataclass
class Child:
    """A training process. place: of its run; takes: folders in which no other may make a prerequisite meanwhile."""

    process: Any
    pipe: Connection
    place: int | None = None
    takes: set[str] = dataclasses.field(default_factory=set)


def several(count: int, named: str, kind: str, xla: bool) -> Callable[..., Generator[Outcome]]:
    """Return the `by` of grid.perform_runs that trains with several processes.

    Args:
        count: the number of processes.
        named: the value of --devices.
        kind: the value of --strategy.
        xla: launch.by_xla(); without XLA computing is deterministic.
    """
    given = [(gpus, named, kind) for gpus in devices.shares(named, count)]
    return lambda runs, say: _several(runs, say, given, xla)


def _several(runs: list[Run], say: Callable[[str], None], given: list, xla: bool) -> Generator[Outcome]:
    children: list[Child] = []
    kept = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for each in given[: len(runs)]:
            children.append(_start(runs, each, xla))
        todo, later = list(range(len(runs))), dict[int, float]()
        while todo or any(child.place is not None for child in children):
            for child in children:
                if child.place is None:
                    give_run(child, todo, runs, later, children)
            ready = wait([child.pipe for child in children], 0.5)
            for child in children:
                if child.pipe in ready and (outcome := _heard(child, runs, say, todo, later)):
                    yield outcome
        for child in children:
            with contextlib.suppress(ConnectionError):
                child.pipe.send(None)
    except BaseException:
        for child in children:
            child.process.terminate()
            child.pipe.close()  # which ends it where Ctrl-C has ended its training, and hidden the second signal
        raise
    finally:
        _end(children)
        for number, handler in kept.items():
            signal.signal(number, handler)


def _stop(number, frame) -> None:
    raise Stopped("stopped; the same command resumes", number)


def _start(runs: list[Run], given: tuple, xla: bool) -> Child:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, runs, given, xla), daemon=True)
    process.start()
    theirs.close()
    return Child(process, ours)


def give_run(child: Child, todo: list[int], runs: list[Run], later: dict[int, float], children: list[Child]) -> None:
    """Let a free process train the first run that may be trained now."""
    taken = set[str]().union(*(other.takes for other in children))
    for place in todo:
        takes = prerequisites.unmade(runs[place].config, runs[place].workdir.path)
        if not takes & taken and later.get(place, 0.0) <= time.monotonic():
            child.place, child.takes = place, takes
            todo.remove(place)
            try:
                child.pipe.send(place)
            except ConnectionError:
                raise _dead(child, runs) from None
            return


def _dead(child: Child, runs: list[Run]) -> ValueError:
    child.process.join()
    what = "" if child.place is None else f" while it trained {grid.title(runs[child.place])}"
    return ValueError(
        f"a process ended with code {child.process.exitcode}{what}: the machine may be out of memory, so try fewer "
        "--processes; the same command resumes"
    )


def _heard(
    child: Child, runs: list[Run], say: Callable[[str], None], todo: list[int], later: dict[int, float]
) -> Outcome | None:
    """Read a message of a process, and return the outcome of a run that has ended."""
    try:
        kind, said = child.pipe.recv()
    except (EOFError, ConnectionError):
        raise _dead(child, runs) from None
    if kind == "say":
        say(said)
        return None
    place, child.place, child.takes = child.place, None, set()
    if kind == "held" and place is not None:
        if place not in later:
            say(f"{grid.title(runs[place])} waits: {said}")
        later[place] = time.monotonic() + AGAIN
        todo[:] = sorted([*todo, place])
    elif kind == "stopped":
        raise Stopped(*said)
    elif kind == "failed":
        sentence, trace, expected = said
        error = (ValueError if expected else RuntimeError)(sentence)
        error.add_note(trace)
        raise error
    return said if kind == "done" else None


def _end(children: list[Child]) -> None:
    """Wait for all processes, for a limited time, and not after a second Ctrl-C."""
    try:
        end = time.monotonic() + PATIENCE
        for child in children:
            child.process.join(max(0.0, end - time.monotonic()))
    finally:
        for child in children:
            if child.process.is_alive():
                child.process.kill()
            child.process.join()
            child.pipe.close()


# ---- in the other process


def work(pipe: Connection, runs: list[Run], given: tuple, xla: bool) -> None:
    """Train the runs whose places come through the pipe, until None comes.

    Args:
        pipe: the connection to the parent.
        runs: the grid.
        given: the devices of this process.
        xla: launch.by_xla() of the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the parent ends this one, after its step
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    threading.Thread(target=_watch, daemon=True).start()
    startup.silence()
    if not xla:
        tf.config.experimental.enable_op_determinism()
    try:
        with devices.share(*given):
            while (place := pipe.recv()) is not None:
                pipe.send(_attempt(place, runs[place], lambda line: pipe.send(("say", line))))
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return
    except EXPECTED as error:
        pipe.send(_failed(error))


def _attempt(place: int, run: Run, say: Callable[[str], None]) -> tuple[str, Any]:
    try:
        return "done", grid.attempt(place, run, say)
    except Held as error:
        return "held", str(error)
    except Stopped as stop:
        return "stopped", (str(stop), stop.number)
    except ConnectionError:
        raise
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> tuple[str, Any]:
    return "failed", (sentence(error), traceback.format_exc(), isinstance(error, EXPECTED))


def _watch() -> None:
    """End this process with its parent, also where the parent was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
