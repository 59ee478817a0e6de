"""Measure a training step, as a ratio to supervised training on the same number of images."""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import pathlib
import resource
import statistics
import time
from collections.abc import Callable, Iterable

import keras
import tensorflow as tf
from ml_collections import ConfigDict

from tfuda.experiment import build, prerequisites
from tfuda.names import near
from tfuda.networks.layers import unfused

SUPERVISED = "supervised"  # source-only, on as many images as an adaptation step has in source and target
VARIANTS = {  # CELL~WORD: the same cell with one setting changed
    "jit": ("jit", True),
    "bfloat16": ("precision", "bfloat16"),
    "float16": ("precision", "float16"),
    "skip": ("on_nan", "skip"),
    "joint": ("passes", "joint"),
}
UNFUSED = "unfused"  # one more word: batch norm by Keras's operations
ON_GPU = (  # what `versions` sets beside the cell as it is
    *("unfused", "jit", "bfloat16", "float16"),
    *("bfloat16~unfused", "float16~unfused", "bfloat16~jit", "float16~jit"),
)
FORWARD = "forward"  # in place of a cell: one pass of a frozen network over as many images


def one_step(
    config: ConfigDict, batch: int, change: Callable[[keras.Model], keras.Model] | None = None
) -> Callable[[], None]:
    """Return a compiled training step on one fixed batch, with `batch` images in each stream.

    A method that divides one batch among its streams gets 2 `batch` images in all. `change` acts on the network.
    """
    config.batch = 2 * batch if build.kind(config).shares else batch
    task, teacher = prerequisites.untaught(config, build.task(config))
    method = build.method(config, task, teacher)
    if change:
        change(method.network)
    data = build.streams(config, task).load(0, method.followed())
    step = tf.function(method.train_step, autograph=False, jit_compile=config.jit)

    def run() -> None:
        tf.nest.map_structure(lambda value: value.numpy(), step(data))

    return run


def forward(config: ConfigDict, batch: int) -> Callable[[], None]:
    """Return a compiled evaluation pass over the source images of a batch, as DAAA needs it for its teacher."""
    config.batch = batch
    task = build.task(config)
    network, images = build.network(config, task), build.streams(config, task).load(0)["source"]["image"]
    step = tf.function(lambda: network(images, training=False).logits, autograph=False, jit_compile=config.jit)
    return lambda: step().numpy()


def on(config: ConfigDict, network: str, size: int) -> None:
    """Set another network (if named) and another image size (if not 0) in a config."""
    if network:
        config.network.name = network
        config.network_options = ConfigDict()
    if size:
        config.view.update(resize=size, size=size, train="center", flip=False)


def measure(steps: dict[str, Callable[[], None]], rounds: int, each: int = 5) -> dict[str, list[float]]:
    """Measure milliseconds per step of every entry; entries alternate in each round, so noise hits all alike.

    Args:
        steps: {name: function that runs one step}.
        rounds: rounds of timing.
        each: steps of an entry in a round.
    """
    for run in steps.values():
        run()
        run()
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, run in steps.items():
            start = time.perf_counter()
            for _ in range(each):
                run()
            found[name].append((time.perf_counter() - start) / each * 1000)
    return found


def ratios(times: dict[str, list[float]], base: str = SUPERVISED) -> list[dict]:
    """Return median milliseconds, and median and quartiles over rounds of the ratio to `base` in the same round."""
    rows = []
    for name, values in times.items():
        by_round = [value / other for value, other in zip(values, times[base], strict=True)]
        low, middle, high = statistics.quantiles(by_round, n=4) if len(by_round) > 1 else by_round * 3
        row = {"method": name, "milliseconds": statistics.median(values)}
        rows.append(row | {"ratio": middle, "low": low, "high": high})
    return rows


def entry(name: str, config: ConfigDict, batch: int) -> Callable[[], None]:
    """Return the function that a row of the table repeats: a pass for FORWARD, else a step of a cell."""
    if name == FORWARD:
        return forward(config, batch)
    return one_step(config, batch, unfused if UNFUSED in name.split("~")[1:] else None)


def peak(name: str, config: dict, batch: int) -> float:
    """Return the megabytes that an entry adds to a process, as `added` does."""
    return added(lambda: entry(name, ConfigDict(config), batch))


def added(make: Callable[[], Callable[[], None]]) -> float:
    """Return the megabytes that `make` and three steps add to a process: GPU memory if there is a GPU, else RAM."""
    before = resident()
    run = make()
    for _ in range(3):
        run()
    if tf.config.list_physical_devices("GPU"):
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
    return resident() - before


def resident(what: str = "VmHWM") -> float:
    """Return the process's largest RAM so far in megabytes; "VmRSS" gives the current RAM on Linux."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # getrusage would give the parent's maximum if that is larger
        return int(status.read_text().partition(f"{what}:")[2].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # in bytes on macOS


def apart(work: Callable[..., float], *given) -> float:
    """Return work(*given), computed in a separate process."""
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def add_peaks(rows: list[dict], configs: dict[str, tuple[ConfigDict, int]]) -> None:
    """Add the peak memory to every row, each measured in a separate process."""
    for row in rows:
        config, batch = configs[row["method"]]
        row["peak_megabytes"] = apart(peak, row["method"], config.to_dict(), batch)


def variant(configured: Callable[[str], ConfigDict], name: str) -> ConfigDict:
    """Return the config of a cell, or of CELL~WORD, CELL~WORD~WORD with some of VARIANTS, or UNFUSED."""
    cell, *words = name.split("~")
    config = configured(cell)
    for word in words:
        if word not in (*VARIANTS, UNFUSED):
            raise ValueError(f"--methods={name}: {word!r} is no variant{near(word, (*VARIANTS, UNFUSED))}")
        key, value = VARIANTS.get(word, ("", None))
        if key:
            config[key] = value
    return config


def steps(
    configured: Callable[[str], ConfigDict], cells: Iterable[str], batch: int, rounds: int, memory: bool
) -> list[dict]:
    """Return rows of SUPERVISED and of every cell or FORWARD.

    Args:
        configured: function that returns a cell's config.
        cells: names of cells, CELL~WORD, or FORWARD.
        batch: images of each stream.
        rounds: rounds of timing.
        memory: also measure peaks.
    """
    plain = configured("source_only"), 2 * batch
    entries = {SUPERVISED: plain} | {
        cell: plain if cell == FORWARD else (variant(configured, cell), batch) for cell in cells
    }
    rows = ratios(measure({name: entry(name, *settings) for name, settings in entries.items()}, rounds))
    if memory:
        add_peaks(rows, entries)
    return rows


def versions(
    configured: Callable[[str], ConfigDict], cell: str, batch: int, rounds: int, words: Iterable[str] = ON_GPU
) -> list[dict]:
    """Return rows of a cell as it is and with `words`, with ratios to the first.

    Args:
        configured: function that returns a cell's config.
        cell: name of the cell.
        batch: images of each stream.
        rounds: rounds of timing.
        words: variants, as in "CELL~WORD".
    """
    names = [cell, *(f"{cell}~{word}" for word in words)]
    made = {name: entry(name, variant(configured, name), batch) for name in names}
    return ratios(measure(made, rounds), cell)


def table(rows: list[dict], what: str) -> str:
    """Format rows as Markdown: all keys before the ratio, and ratio and peak if present."""
    keys = list(itertools.takewhile(lambda key: key != "ratio", rows[0]))
    ratio, memory = "ratio" in rows[0], "peak_megabytes" in rows[0]
    head = [key.replace("_", " ") for key in keys]
    head += ["ratio (median)", "quartiles"] * ratio + ["peak MB"] * memory
    sides = ["---" if isinstance(rows[0].get(key), str) else "---:" for key in (*keys, *head[len(keys) :])]
    lines = [what, "", f"| {' | '.join(head)} |", f"| {' | '.join(sides)} |"]
    for row in rows:
        shown = [f"{row[key]:.1f}" if isinstance(row[key], float) else str(row[key]) for key in keys]
        shown += [f"{row['ratio']:.2f}", f"{row['low']:.2f} – {row['high']:.2f}"] if ratio else []
        shown += [f"{row['peak_megabytes']:.0f}"] if memory else []
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)
