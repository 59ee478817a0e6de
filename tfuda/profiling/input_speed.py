"""Compare the input pipeline with a loader in PyTorch's style, on the same generated pictures."""

from __future__ import annotations

import multiprocessing
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.shared_memory import SharedMemory

import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_sample_images

from tfuda.data import decodable, pipeline
from tfuda.data.files import Files
from tfuda.data.tasks import Domain
from tfuda.data.views import View, decode

PICTURES, BATCH = 256, 32
OTHER = "PyTorch-style loader"
VIEW = View(resize=256, size=224, train="crop", flip=True)
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def generate(folder: pathlib.Path, count: int = PICTURES, quality: int = 90) -> Files:
    """Generate JPEG files of 600 × 450: noisy parts of scikit-learn's two photographs."""
    photos, rng = [Image.fromarray(photo) for photo in load_sample_images().images], np.random.default_rng(0)
    paths = []
    for i in range(count):
        width = int(rng.integers(250, 600))
        height = width * 3 // 4
        x, y = int(rng.integers(640 - width + 1)), int(rng.integers(max(1, 427 - height)))
        photo = photos[i % 2].crop((x, y, x + width, y + height)).resize((600, 450), Image.Resampling.BICUBIC)
        noisy = np.asarray(photo, float) + rng.normal(0, 4, (450, 600, 3))
        paths.append(folder / f"{i:05d}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=quality)
    return Files(paths)


def ours(files: Files, steps: int) -> Iterator:
    """Iterate over batches of a training stream."""
    labels = np.zeros(len(files), np.int32)
    streams = pipeline.Streams({"source": Domain("generated", ("",), files, labels)}, {"source": BATCH}, view=VIEW)
    return iter(streams.dataset(0, steps))


def plain_batch(task: tuple[list[str], int]) -> str:
    """Make a batch in a worker of the other loader: Pillow's decode, resize, crop, flip; normalise and stack."""
    paths, seed = task
    rng, images = np.random.default_rng(seed), []
    for path in paths:
        with Image.open(path) as opened:
            square = opened.convert("RGB").resize((256, 256), Image.Resampling.BILINEAR)
        x, y = rng.integers(33, size=2)
        seen = square.crop((x, y, x + 224, y + 224))
        if rng.random() < 0.5:
            seen = seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        tensor = (np.asarray(seen).astype(np.float32) / 255 - MEAN) / DEVIATION
        images.append(tensor.transpose(2, 0, 1))
    batch = np.stack(images)  # [B, 3, 224, 224]
    memory = SharedMemory(create=True, size=batch.nbytes)
    np.ndarray(batch.shape, np.float32, memory.buf)[:] = batch
    memory.close()
    return memory.name


def other(files: Files, steps: int, pool) -> Iterator:
    """Iterate over batches from one process per core, through shared memory as in PyTorch's DataLoader."""
    rng, paths = np.random.default_rng(0), list(files)
    tasks = [([paths[i] for i in rng.integers(len(files), size=BATCH)], step) for step in range(steps)]
    for name in pool.imap(plain_batch, tasks):
        memory = SharedMemory(name)
        memory.close()
        memory.unlink()
        yield name


def cut_short(files: Files, steps: int, work: Callable) -> Iterator:
    """Iterate over our pipeline up to some stage, to see where its time goes."""
    paths = tf.data.Dataset.from_tensor_slices(tf.constant(files.paths)).repeat().take(steps * BATCH)
    return iter(paths.map(work, num_parallel_calls=decodable.cores(), deterministic=True).batch(BATCH).prefetch(2))


def speed(begin: Callable[[int], Iterator], steps: int) -> float:
    """Return images per second, from the first batch to the last."""
    batches = begin(steps + 1)
    next(batches)
    start = time.perf_counter()
    count = sum(1 for _ in batches)
    return count * BATCH / (time.perf_counter() - start)


def measure(rounds: int, steps: int = 32) -> list[dict]:
    """Return median images per second of every entry, and quartiles of the ratio to the other loader by round."""
    context = multiprocessing.get_context("forkserver")
    with tempfile.TemporaryDirectory() as folder, context.Pool(decodable.cores()) as pool:
        files = generate(pathlib.Path(folder))
        shrunk = decodable.shrunk(files, VIEW.resize, pathlib.Path(folder) / "cache", lambda line: None)
        entries: dict[str, Callable[[int], Iterator]] = {
            OTHER: lambda steps: other(files, steps, pool),
            "reading": lambda steps: cut_short(files, steps, lambda path: tf.strings.length(tf.io.read_file(path))),
            "... and decoding": lambda steps: cut_short(
                files, steps, lambda path: tf.shape(decode(tf.io.read_file(path)))
            ),
            "... and resizing, cropping, flipping: all": lambda steps: ours(files, steps),
            "all, from config.cache": lambda steps: ours(shrunk, steps),
        }
        speeds: dict[str, list[float]] = {name: [] for name in entries}
        for _ in range(rounds):
            for name, begin in entries.items():
                speeds[name].append(speed(begin, steps))
    rows = []
    for name, values in speeds.items():
        by_round = [value / base for value, base in zip(values, speeds[OTHER], strict=True)]
        low, middle, high = statistics.quantiles(by_round, n=4) if rounds > 1 else by_round * 3
        row = {"loader": name, "images_per_second": statistics.median(values)}
        rows.append(row | {"ratio": middle, "low": low, "high": high})
    return rows
