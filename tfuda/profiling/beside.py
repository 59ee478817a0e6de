"""Measure a training step beside that of a program in another framework, each in its own environment."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, cast

from ml_collections import ConfigDict

from tfuda.profiling import step_time

CASES = (("resnet50", 224, 8), ("efficientnet_lite0", 128, 16))  # network, size, images of each domain
PRECISIONS = ("float32", "bfloat16")
LAYOUTS = ("default", "channels_last")  # of the other program's memory
OURS = "ours"


@contextlib.contextmanager
def steps_of(command: str, words: Sequence[object]) -> Iterator[Callable[[], None]]:
    """Start another program, and yield a function that has it take one step and waits for the answer.

    Args:
        command: the program; it answers each line with a line, and prints one when it is ready.
        words: its arguments: network, size, images of each domain, precision, passes, layout.

    Raises:
        ValueError: the program cannot be started, or ends.
    """
    whole = [*shlex.split(command), *map(str, words)]
    try:
        process = subprocess.Popen(whole, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        raise ValueError(f"--beside={command}: the program cannot be started: {error}") from None

    questions, answers = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)

    def answer() -> None:
        if not answers.readline():
            raise ValueError(f"--beside: the program ended, exit code {process.wait()}: {shlex.join(whole)}")

    def step() -> None:
        with contextlib.suppress(BrokenPipeError):
            questions.write("step\n")
            questions.flush()
        answer()

    try:
        answer()
        yield step
    finally:
        process.kill()
        process.communicate()


def measure(
    configured: Callable[[str, str, int], ConfigDict],
    cell: str,
    command: str,
    cases: Iterable[tuple[str, int, int]],
    rounds: int,
) -> list[dict]:
    """Return the ratio of our step's time to the other program's, for each case, of PRECISIONS and of LAYOUTS.

    Args:
        configured: function that returns the config of (cell, network, size).
        cell: name of the cell.
        command: the other program, see `steps_of`.
        cases: network, size, images of each domain.
        rounds: rounds of timing.
    """
    if not command:
        raise ValueError("--what=beside needs --beside, the other program: see tests/pytorch/step.py")
    rows = []
    for network, size, batch in cases:
        for precision in PRECISIONS:
            config = configured(cell, network, size)
            config.precision = precision
            with contextlib.ExitStack() as stack:
                words = network, size, batch, precision, config.passes
                others = {each: stack.enter_context(steps_of(command, (*words, each))) for each in LAYOUTS}
                times = step_time.measure({OURS: step_time.one_step(config, batch), **others}, rounds, 1)
            what = f"{network} at {size}, {batch} + {batch}, {precision}"
            for layout in LAYOUTS:
                row = next(row for row in step_time.ratios(times, layout) if row["method"] == OURS)
                rows.append({"step": what, "beside": layout, **{key: row[key] for key in ("ratio", "low", "high")}})
    return rows
