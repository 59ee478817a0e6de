"""What the input pipeline delivers, beside a loader as PyTorch users write it, on the same generated pictures."""

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

from tfuda.data import check, pipeline
from tfuda.data.domains import Domain
from tfuda.data.files import Files
from tfuda.data.view import View, decode

PICTURES, BATCH = 256, 32
VIEW = View(resize=256, size=224, train="crop", flip=True)
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


def generate(folder: pathlib.Path, count: int = PICTURES, quality: int = 90) -> Files:
    """JPEG files of 600 × 450: noisy parts of scikit-learn's two photographs."""
    photos, rng = [Image.fromarray(photo) for photo in load_sample_images().images], np.random.default_rng(0)
    paths = []
    for i in range(count):
        width = int(rng.integers(250, 600))
        height = width * 3 // 4
        x, y = rng.integers(640 - width + 1), rng.integers(max(1, 427 - height))
        photo = photos[i % 2].crop((x, y, x + width, y + height)).resize((600, 450), Image.Resampling.BICUBIC)
        noisy = np.asarray(photo, float) + rng.normal(0, 4, (450, 600, 3))
        paths.append(folder / f"{i:05d}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=quality)
    return Files(paths)


def ours(files: Files, read: int) -> int:
    """Batches of a training stream: at least `read` images; how many it were."""
    labels = np.zeros(len(files), np.int32)
    streams = pipeline.Streams({"source": Domain("generated", ("",), files, labels)}, {"source": BATCH}, view=VIEW)
    steps = -(-read // BATCH)
    for batch in streams.dataset(0, steps):
        batch["source"]["image"].numpy()
    return steps * BATCH


def plain_batch(task: tuple[list[str], int]) -> str:
    """A worker of the other loader: Pillow's decode, resize, crop and flip, floats, normalised, stacked."""
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


def other(files: Files, read: int, pool) -> int:
    """The same from as many processes as cores, through shared memory, as PyTorch's DataLoader does it."""
    order = np.random.default_rng(0).integers(len(files), size=-(-read // BATCH) * BATCH)
    paths = list(files)
    tasks = [([paths[i] for i in rows], k) for k, rows in enumerate(np.split(order, len(order) // BATCH))]
    for name in pool.imap(plain_batch, tasks):
        memory = SharedMemory(name)
        memory.close()
        memory.unlink()
    return len(order)


def stages(files: Files) -> Iterator[tuple[str, Callable[[int], int]]]:
    """Our pipeline cut short, to see where its time goes."""
    paths = tf.constant(files.paths)
    cuts: dict[str, Callable] = {
        "reading": lambda path: tf.strings.length(tf.io.read_file(path)),
        "... and decoding": lambda path: tf.shape(decode(tf.io.read_file(path))),
    }
    for name, cut in cuts.items():

        def run(read: int, cut=cut) -> int:
            data = tf.data.Dataset.from_tensor_slices(paths).repeat().take(read)
            for _ in data.map(cut, num_parallel_calls=check.cores(), deterministic=True).batch(BATCH):
                pass
            return read

        yield name, run
    yield "... and resizing, cropping, flipping: all", lambda read: ours(files, read)


def measure(rounds: int, read: int = 512) -> list[dict]:
    """Median images per second of every entry, and the ratio to the other loader in the same round with quartiles."""
    context = multiprocessing.get_context("forkserver")
    with tempfile.TemporaryDirectory() as folder, context.Pool(check.cores()) as pool:
        files = generate(pathlib.Path(folder))
        shrunk = check.shrunk(files, VIEW.resize, pathlib.Path(folder) / "cache", lambda line: None)
        entries = dict([("PyTorch-style loader", lambda read: other(files, read, pool)), *stages(files)])
        entries["all, from config.cache"] = lambda read: ours(shrunk, read)
        speeds: dict[str, list[float]] = {name: [] for name in entries}
        for run in entries.values():
            run(BATCH)
        for _ in range(rounds):
            for name, run in entries.items():
                start = time.perf_counter()
                done = run(read)
                speeds[name].append(done / (time.perf_counter() - start))
    base = speeds["PyTorch-style loader"]
    rows = []
    for name, values in speeds.items():
        by_round = sorted(value / other for value, other in zip(values, base, strict=True))
        low, _, high = statistics.quantiles(by_round, n=4) if rounds > 1 else by_round * 3
        row = {"loader": name, "images_per_second": statistics.median(values)}
        rows.append(row | {"ratio": statistics.median(by_round), "low": low, "high": high})
    return rows
