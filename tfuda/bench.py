"""What a training step costs, as a ratio to supervised training on the same number of images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import tensorflow as tf
from ml_collections import ConfigDict

from tfuda import build

SUPERVISED = "supervised"


def one_step(config: ConfigDict, batch: int) -> Callable[[], None]:
    """A compiled training step on one fixed batch, `batch` images in each stream."""
    config.batch = batch
    task = build.task(config)
    method = build.method(config, task)
    data = build.streams(config, task).load(0)
    step = tf.function(method.train_step, autograph=False, jit_compile=config.jit)

    def run() -> None:
        tf.nest.map_structure(lambda value: value.numpy(), step(data))

    return run


def on(config: ConfigDict, network: str, size: int) -> None:
    """Put another network, and images scaled to another size, into a config."""
    if network:
        config.network.name = network
        config.network_options = ConfigDict()
    if size:
        config.view.update(resize=size, size=size, train="center", flip=False)


def supervised(get_config: Callable[[str], ConfigDict], batch: int) -> Callable[[], None]:
    """Source-only training on as many images as an adaptation step has in source and target together."""
    return one_step(get_config("source_only"), 2 * batch)


def measure(steps: dict[str, Callable[[], None]], rounds: int, each: int = 5) -> dict[str, list[float]]:
    """Milliseconds per step of every entry, by rounds in which all take their turn, so noise hits them alike."""
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
    """Median milliseconds, and median and quartiles over rounds of the ratio to `base` in the same round."""
    rows = []
    for name, values in times.items():
        by_round = [value / other for value, other in zip(values, times[base], strict=True)]
        low, middle, high = statistics.quantiles(by_round, n=4) if len(by_round) > 1 else by_round * 3
        row = {"method": name, "milliseconds": statistics.median(values)}
        rows.append(row | {"ratio": middle, "low": low, "high": high})
    return rows


def table(rows: list[dict], what: str) -> str:
    """Rows of `ratios`, or of `bench_input.measure`, in Markdown."""
    name, number, *_ = rows[0]
    lines = [what, "", f"| {name} | {number.replace('_', ' ')} | ratio (median) | quartiles |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for row in rows:
        spread = f"{row['low']:.2f} – {row['high']:.2f}"
        lines.append(f"| {row[name]} | {row[number]:.1f} | {row['ratio']:.2f} | {spread} |")
    return "\n".join(lines)
