"""Measure what computing frozen stages once saves in a step of training, and what it costs before the first step."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from ml_collections import ConfigDict

from tfuda.data.tasks import Domain, Task
from tfuda.experiment import build, frozen_stages
from tfuda.profiling import step_time

SIZE, COUNT, CLASSES = 192, 96, 8  # random pictures of both domains
LEARNING = ("all", "6")  # config.network.frozen: the whole backbone, and all but the last three stages


def random_task() -> Task:
    """Return a task of random pictures, uint8 [COUNT, SIZE, SIZE, 3] of each domain."""
    draw = np.random.default_rng(0)
    names = tuple(map(str, range(CLASSES)))

    def domain(name: str) -> Domain:
        images = draw.integers(0, 256, [COUNT, SIZE, SIZE, 3], np.uint8)
        return Domain(name, names, images, np.arange(COUNT, dtype=np.int32) % CLASSES)

    source, target = domain("source"), domain("target")
    both = {"source": source, "target": target}
    return Task("source-target", names, {"source": source, "target": target.unlabelled()}, both, both)


def multiplications(network: keras.Model) -> list[int]:
    """Return the multiplications of one image's forward pass through each stage."""
    x, found = network.blank(), []
    for stage in network.stages:
        counted: list[int] = []
        plain = keras.layers.Layer.__call__

        def call(layer, *inputs, plain=plain, counted=counted, **options):
            out = plain(layer, *inputs, **options)
            if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
                rows, columns, channels = out.shape[1:]
                inside = int(np.prod(layer.kernel.shape[:3]))
                inside = inside // layer.kernel.shape[2] if "Depthwise" in type(layer).__name__ else inside
                counted.append(rows * columns * channels * inside)
            return out

        keras.layers.Layer.__call__ = call
        try:
            x = stage(x)
        finally:
            keras.layers.Layer.__call__ = plain
        found.append(sum(counted))
    return found


def allowed(network: keras.Model) -> float:
    """Return the ratio of multiplications in a step without stored maps to those with them.

    A learning stage takes one pass forward and two backward; a frozen one takes the pass forward alone.
    """
    parts = multiplications(network)
    frozen, learning = sum(parts[: network.frozen]), sum(parts[network.frozen :])
    return (frozen + 3 * learning) / (3 * learning) if learning else float("inf")


def measure(configured: Callable[[str], ConfigDict], cell: str, batch: int, rounds: int) -> list[dict]:
    """Return a row for each of LEARNING: milliseconds of a step with and without stored maps, and their ratio.

    Args:
        configured: function that returns a cell's config.
        cell: name of the cell.
        batch: images of each stream.
        rounds: rounds of timing.
    """
    task, rows = random_task(), []
    for frozen in LEARNING:
        config = configured(cell)
        config.network.frozen, config.batch, config.views = frozen, batch, max(config.views, 1)
        steps, seconds, network = {}, 0.0, None
        for name in ("stored", "whole"):
            method = build.method(config, task)
            network, seen = method.network, task
            if name == "stored":
                start = time.perf_counter()
                seen = frozen_stages.stored_task(config, task, method, lambda line: None)
                seconds = time.perf_counter() - start
            steps[name] = one_step(config, method, seen)
        times = step_time.measure(steps, rounds, 3)
        row = step_time.ratios(times, "stored")[1]
        rows.append(
            {
                "method": f"{cell}, frozen={frozen}",
                "stored_ms": statistics.median(times["stored"]),
                "whole_ms": row["milliseconds"],
                "multiplications_allow": allowed(network),
                "seconds_before_first_step_per_1000_pictures": 1000 * seconds / (2 * COUNT),
                **{key: row[key] for key in ("ratio", "low", "high")},
            }
        )
    return rows


def one_step(config: ConfigDict, method, task: Task) -> Callable[[], None]:
    """Return a compiled training step of a method on a task's first batch."""
    data = build.streams(config, task).load(0, method.followed())
    step = tf.function(method.train_step, autograph=False)
    return lambda: tf.nest.map_structure(lambda value: value.numpy(), step(data))
