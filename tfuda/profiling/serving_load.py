"""Load a SavedModel with many threads, both signatures, pictures of mixed sizes, and broken pictures.

Every answer is compared with the Keras model's answer for the picture alone, so an answer that belongs to another
request is detected. A request with a broken picture must be refused, and no other request.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from PIL import Image

from tfuda.data import decodable, views
from tfuda.experiment import training
from tfuda.networks.base import Network
from tfuda.profiling import step_time
from tfuda.serving import export, saved_model
from tfuda.serving.saved_model import Model

THREADS, BATCHES, SECONDS = 32, (1, 4, 16, 64), 1.0
TOLERANCE = 1e-5  # of probabilities; a batch rounds differently from a single picture
APART = 10 * TOLERANCE  # pictures with closer answers are not used
SIZES = ((24, 40), (32, 32), (75, 50), (120, 160), (300, 240))
EACH = 12  # pictures of a size
REQUESTS = 12  # of a signature and batch, of which every sixth is broken where files are sent
LIMIT = 240.0  # seconds for all rounds
PATIENCE = 20.0  # seconds for one request from every thread


@dataclasses.dataclass
class Request:
    """Hold what is sent, and the expected answer: float32 [n, K], or None if the request must be refused."""

    content: np.ndarray | list[bytes]
    answer: np.ndarray | None


@dataclasses.dataclass
class Tally:
    """Hold the counts of a row of the table."""

    milliseconds: list[float] = dataclasses.field(default_factory=list)
    pictures: int = 0
    refused: int = 0
    seconds: float = 0.0
    difference: float = 0.0
    faults: list[str] = dataclasses.field(default_factory=list)

    def row(self, signature: str, batch: int) -> dict:
        """Return the row of the table for a signature and a batch size."""
        middle, last = np.percentile(self.milliseconds, [50, 99])
        row = {"signature": signature, "batch": batch, "pictures_per_second": self.pictures / self.seconds}
        row |= {"p50_ms": float(middle), "p99_ms": float(last), "answered": len(self.milliseconds)}
        return row | {"refused": self.refused, "largest_difference": f"{self.difference:.1e}"}


def pictures(sizes: Sequence[tuple[int, int]], each: int) -> list[list[bytes]]:
    """Generate patterns of soft colours, `each` of every size (height, width), alternately as JPEG and PNG."""
    rng = np.random.default_rng(0)
    found: list[list[bytes]] = [[] for _ in sizes]
    for group, (height, width) in zip(found, sizes, strict=True):
        for i in range(each):
            coarse = Image.fromarray(rng.integers(0, 256, [*rng.integers(2, 7, 2), 3], np.uint8))
            data = io.BytesIO()
            coarse.resize((width, height), Image.Resampling.BICUBIC).save(data, ("JPEG", "PNG")[i % 2])
            group.append(data.getvalue())
    return found


def answers(alone: Callable[[bytes], np.ndarray], groups: list[list[bytes]]) -> list[list[tuple[bytes, np.ndarray]]]:
    """Pair pictures with their answers [K], without pictures whose answers are too close to another's."""
    kept: list[np.ndarray] = []
    found: list[list[tuple[bytes, np.ndarray]]] = [[] for _ in groups]
    for group, pairs in zip(groups, found, strict=True):
        for data in group:
            answer = alone(data)
            if all(np.abs(answer - other).max() > APART for other in kept):
                kept.append(answer)
                pairs.append((data, answer))
    if len(kept) < 2:
        raise ValueError(
            "the model gives all pictures the same answer, so swapped answers would not be seen: train it first"
        )
    return [group for group in found if group]


def broken(data: bytes) -> tuple[bytes, ...]:
    """Return contents that no decoder accepts."""
    return b"no picture", b"", data[: len(data) // 2], data[:2] + bytes(200)


def requests(groups: list[list[tuple[bytes, np.ndarray]]], signature: str, batch: int) -> list[Request]:
    """Make REQUESTS requests of `batch` pictures.

    signature: "images", of one size in a request; or "files", of all sizes, every sixth request with a broken one
    """
    rng, made = np.random.default_rng(batch), []
    everything = list(itertools.chain(*groups))
    for i in range(REQUESTS):
        group = groups[i % len(groups)] if signature == "images" else everything
        chosen = [group[k] for k in rng.integers(len(group), size=batch)]
        data, answer = [one for one, _ in chosen], np.stack([two for _, two in chosen])
        if signature == "images":
            made.append(Request(np.stack([views.decode(tf.constant(one)).numpy() for one in data]), answer))
        elif i % 6 == 5:
            place = rng.integers(batch)
            data[place] = broken(data[place])[i // 6 % 4]
            made.append(Request(data, None))
        else:
            made.append(Request(data, answer))
    return made


def ask(serve: Callable, request: Request, tally: Tally) -> None:
    """Send one request, and record its time and correctness in `tally`."""
    start = time.perf_counter()
    try:
        answer = serve(request.content)
    except ValueError as error:
        if request.answer is None:
            tally.refused += 1
        else:
            tally.faults.append(f"a sound request is refused: {error}")
        return
    tally.milliseconds.append(1000 * (time.perf_counter() - start))
    if request.answer is None:
        tally.faults.append("a broken picture is answered")
        return
    tally.pictures += len(answer)
    same = answer.shape == request.answer.shape
    apart = float(np.abs(answer - request.answer).max()) if same else float("inf")
    tally.difference = max(tally.difference, apart)
    if not apart <= TOLERANCE:
        tally.faults.append(f"an answer is wrong by {apart:.1e}")


def load(
    serve: Callable, asked: list[Request], tally: Tally, seconds: float, pool: Executor, threads: int = THREADS
) -> None:
    """Send requests from every thread of the pool, one after the other, for `seconds`.

    All rows use the same threads, as a server does: new threads would cost additional memory.

    Args:
        serve: function that answers a request's content.
        asked: the requests, in rotation.
        tally: where results are added.
        seconds: duration.
        pool: pool of threads.
        threads: number of threads.
    """
    parts, number = [Tally() for _ in range(threads)], itertools.count()
    start = time.perf_counter()

    def work(part: Tally) -> None:
        try:
            while time.perf_counter() < start + seconds:
                ask(serve, asked[next(number) % len(asked)], part)
        except Exception as error:  # a thread's traceback would be lost among the others
            part.faults.append(f"{type(error).__name__}: {error}")

    list(pool.map(work, parts))
    tally.seconds += time.perf_counter() - start
    for part in parts:
        tally.milliseconds += part.milliseconds
        tally.faults += part.faults
        tally.pictures, tally.refused = tally.pictures + part.pictures, tally.refused + part.refused
        tally.difference = max(tally.difference, part.difference)


def bearable(serve: Callable, asked: list[Request], threads: int) -> bool:
    """Return True if one request from every thread would finish within PATIENCE seconds.

    Large batches of a large network would also exhaust the memory.
    """
    sound = next(request for request in asked if request.answer is not None)
    serve(sound.content)
    start = time.perf_counter()
    serve(sound.content)
    return (time.perf_counter() - start) * threads <= PATIENCE


def entries(model: Model, groups: list, batches: Sequence[int], threads: int) -> dict:
    """Return {(signature, batch): (function that answers, its requests)}."""
    found = {}
    for signature, serve in (("images", model), ("files", model.files)):
        for batch in batches:
            asked = requests(groups, signature, batch)
            if bearable(serve, asked, threads):
                found[signature, batch] = serve, asked
    return found


def stress(
    model: Model, groups: list, rounds: int, batches: Sequence[int], seconds: float, threads: int
) -> tuple[list[dict], list[float]]:
    """Return rows of the table, and megabytes of RAM after each round; raise ValueError on any fault."""
    turns, start, memory = entries(model, groups, batches, threads), time.perf_counter(), []
    if not turns:
        raise ValueError(f"one picture from each of {threads} threads would take more than {PATIENCE:.0f} s")
    with ThreadPoolExecutor(threads) as pool:
        for number in range(rounds + 1):
            if number < 2:  # the first round warms up
                tallies = {key: Tally() for key in turns}
            for key, (serve, asked) in turns.items():
                load(serve, asked, tallies[key], seconds, pool, threads)
                if faults := tallies[key].faults:
                    raise ValueError(f"{len(faults)} faults in requests of {key[1]} {key[0]}: {faults[0]}")
            memory.append(step_time.resident("VmRSS"))
            if number and time.perf_counter() - start > LIMIT * (number + 1) / (number + 2):
                break
    return [tally.row(*key) for key, tally in tallies.items()], memory


def measure(
    model: str,
    workdir: str,
    rounds: int,
    batches: Sequence[int] = BATCHES,
    seconds: float = SECONDS,
    threads: int = THREADS,
) -> tuple[list[dict], str]:
    """Return rows of the table, and a sentence about all rows.

    Args:
        model: a SavedModel; "" exports the run in `workdir`.
        workdir: a run, whose Keras model gives the expected answers; "" takes the SavedModel's own, one at a time.
        rounds: rounds after the warm-up.
        batches: sizes of requests.
        seconds: duration of a row in a round.
        threads: number of threads.
    """
    if not (model or workdir):
        raise ValueError("--what=serving needs --model, --workdir, or both; --help shows an example")
    groups = pictures(SIZES, EACH)
    # hushed: without the decoders' messages about broken pictures
    with tempfile.TemporaryDirectory() as folder, decodable.hushed():
        alone, path = None, model or f"{folder}/model"
        if workdir:
            _, task, method = training.load_run(workdir)
            alone = by_keras(method.network)
            if not model:
                export.export_network(method.network, task.classes, path, task.streams["target"].images[:8])
        loaded = Model(path)
        known = answers(alone or (lambda data: loaded.files([data])[0]), groups)
        rows, memory = stress(loaded, known, rounds, batches, seconds, threads)
    expected = "the Keras model's" if workdir else "what one request alone gets"
    found = f"{threads} threads, pictures of {len(known)} sizes; every answer is {expected} within {TOLERANCE:.0e}; "
    found += "MB of RAM after warm-up and rounds: " + ", ".join(f"{size:.0f}" for size in memory)
    if len(rows) < 2 * len(batches):
        found += f"; batches that would take {threads} threads over {PATIENCE:.0f} s are left out"
    return rows, found


def by_keras(network: Network) -> Callable[[bytes], np.ndarray]:
    """Return a function from a picture's bytes to the network's probabilities [K], one picture at a time."""
    answer = saved_model.probabilities(network)

    def alone(data):
        picture = saved_model.fit_size(views.decode(tf.constant(data)), network.view, tuple(network.size))
        return answer(picture[None])[0].numpy()

    return alone
