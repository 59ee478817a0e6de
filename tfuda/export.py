"""A SavedModel that serves without this library."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from tfuda.data import pipeline
from tfuda.data import view as views
from tfuda.data.files import Files
from tfuda.networks.base import Network

CLASSES = "classes.txt"  # in the SavedModel's assets folder


class Served(tf.Module):
    """Two signatures, each -> {"probabilities": float32 [n, K], "label": int64 [n], "class": string [n]}.

    serving_default  images: uint8 [n, h, w, 3]; of the network's size they are taken as they are, others resized
    serve_bytes      encoded: string [n], JPEG, PNG, BMP or GIF (its first frame), seen as in evaluation: resized,
                     and where the network has a view, cropped in the middle
    """

    def __init__(self, network: Network, classes_file: str):
        super().__init__()
        self.network = network
        self.classes = tf.saved_model.Asset(classes_file)
        names = tf.lookup.TextFileInitializer(
            self.classes,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
        )
        self.names = tf.lookup.StaticHashTable(names, "")

    def answer(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """images uint8 [n, H, W, 3] of the network's size."""
        logits = self.network(images, training=False).logits
        label = tf.argmax(logits, -1)
        return {
            "probabilities": tf.cast(tf.nn.softmax(logits), tf.float32),
            "label": label,
            "class": self.names.lookup(label),
        }

    def fit_size(self, picture: tf.Tensor) -> tf.Tensor:
        """uint8 [h, w, 3] -> uint8 of the network's size, as evaluation sees it."""
        if self.network.view.size:
            return views.show(picture, tf.constant(views.center(self.network.view)[0]), self.network.view)
        height, width = self.network.size[:2]

        def resized():
            scale = tf.constant([height, width], tf.float32) / tf.cast(tf.shape(picture)[:2], tf.float32)
            return views.part(picture, scale, tf.zeros([2], tf.int32), tf.constant([height, width]))

        same = tf.reduce_all(tf.equal(tf.shape(picture)[:2], [height, width]))
        return tf.ensure_shape(tf.cond(same, lambda: picture, resized), self.network.size)

    def each(self, work, items: tf.Tensor) -> tf.Tensor:
        """uint8 [n, *size] of n pictures, one after another."""
        return tf.map_fn(work, items, fn_output_signature=tf.TensorSpec(self.network.size, tf.uint8))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")])
    def serve(self, images):
        same = tf.reduce_all(tf.equal(tf.shape(images)[1:], self.network.size))
        ready = tf.cond(same, lambda: images, lambda: self.each(self.fit_size, images))
        return self.answer(tf.ensure_shape(ready, [None, *self.network.size]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="encoded")])
    def serve_bytes(self, encoded):
        return self.answer(self.each(lambda one: self.fit_size(views.decode(one)), encoded))


@contextlib.contextmanager
def beside(out: pathlib.Path) -> Iterator[pathlib.Path]:
    """An empty folder next to `out`, of one process at a time; what one that was killed left there is deleted."""
    part = out.with_name(f".{out.name}.part")
    part.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        lock = os.open(part, os.O_RDONLY)
        stack.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another process is writing --out={out}") from None
        stack.callback(shutil.rmtree, part, ignore_errors=True)
        for left in part.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield part


def export(network: Network, classes: tuple[str, ...], out: str | os.PathLike, probe: np.ndarray | Files) -> float:
    """Write the SavedModel to `out` and read it back alone: the largest difference in probabilities.

    probe: images to compare the two on, uint8 [N, H, W, 3] or the paths of N pictures
    """
    out = pathlib.Path(out)
    if out.exists() and not (out / "saved_model.pb").is_file():
        raise ValueError(f"--out={out} exists and is no SavedModel: choose another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with beside(out) as folder:
        listed = folder / CLASSES
        listed.write_text("".join(f"{name}\n" for name in classes), "utf-8")
        served = Served(network, str(listed))
        signatures = {"serving_default": served.serve, "serve_bytes": served.serve_bytes}
        ready = folder / "model"
        tf.saved_model.save(served, str(ready), signatures)
        difference = parity(network, str(ready), probe)
        if out.exists():
            os.replace(out, folder / "old")  # a kill leaves the whole model, or none
        os.replace(ready, out)
    return difference


def parity(network: Network, model: str, probe: np.ndarray | Files) -> float:
    """Largest difference in probabilities between the network and its SavedModel, over both signatures."""
    loaded = tf.saved_model.load(model)
    images = pipeline.read(probe, network.view)  # [N, H, W, 3]
    here = tf.nn.softmax(network(tf.constant(images), training=False).logits)
    plain = loaded.signatures["serving_default"](images=tf.constant(images))["probabilities"]
    files = [tf.io.read_file(path) for path in probe] if isinstance(probe, Files) else map(tf.io.encode_png, probe)
    encoded = loaded.signatures["serve_bytes"](encoded=tf.stack(list(files)))["probabilities"]
    return float(max(tf.reduce_max(tf.abs(here - plain)), tf.reduce_max(tf.abs(here - encoded))))


class Model:
    """A SavedModel of `export`, loaded for prediction."""

    def __init__(self, path: str | os.PathLike):
        path = pathlib.Path(path)
        if not (path / "saved_model.pb").is_file():
            raise FileNotFoundError(f"--model={path} is no SavedModel: {path / 'saved_model.pb'} is missing")
        self.loaded = tf.saved_model.load(str(path))
        try:
            self.plain, self.encoded = (self.loaded.signatures[name] for name in ("serving_default", "serve_bytes"))
        except KeyError as missing:
            raise ValueError(f"--model={path} has no signature {missing}: export it with run/export.py") from None
        self.classes = (path / "assets" / CLASSES).read_text("utf-8").splitlines()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """images uint8 [n, h, w, 3] -> probabilities float32 [n, K]."""
        images = np.asarray(images)
        if images.dtype != np.uint8:
            raise ValueError(f"images are {images.dtype}, not uint8 in 0..255: they would be misread")
        return self.plain(images=tf.constant(images))["probabilities"].numpy()

    def files(self, encoded: list[bytes]) -> np.ndarray:
        """Encoded pictures -> probabilities float32 [n, K]."""
        return self.encoded(encoded=tf.constant(encoded))["probabilities"].numpy()
