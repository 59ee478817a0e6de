"""Define, write and load the SavedModel."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from tfuda.data import views
from tfuda.networks.base import Network

CLASSES = "classes.txt"  # in the SavedModel's assets folder
USE = """Every program with TensorFlow loads this folder, without tfuda. Images are uint8 [n, h, w, 3] of any size.
Those of exactly the network's size are taken as they are, others are resized and cropped as in evaluation:

    model = tf.saved_model.load("FOLDER")
    answer = model.signatures["serving_default"](images=tf.constant(images))
    answer["probabilities"], answer["label"], answer["class"]

The signature serve_bytes takes JPEG or PNG strings instead. With tfuda: `tfuda predict --model=FOLDER PICTURES`."""


def fit_size(picture: tf.Tensor, view: views.View, size: tuple[int, ...]) -> tf.Tensor:
    """Resize uint8 [h, w, 3] to uint8 `size` [H, W, 3] as evaluation does, through the view's middle if any."""
    if view.size:
        return views.shown_views(picture, tf.constant(views.center(view)[0]), view)
    height, width = size[:2]

    def resized():
        scale = tf.constant([height, width], tf.float32) / tf.cast(tf.shape(picture)[:2], tf.float32)
        return views.part(picture, scale, tf.zeros([2], tf.int32), tf.constant([height, width]))

    same = tf.reduce_all(tf.equal(tf.shape(picture)[:2], [height, width]))
    return tf.ensure_shape(tf.cond(same, lambda: picture, resized), size)


def probabilities(network: Network, values: Sequence = ()) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function from uint8 [n, *size] to float32 [n, K]. values: replacements of the network's variables."""
    pairs = list(zip(network.variables, values, strict=True)) if values else []

    def work(images):
        with keras.StatelessScope([(variable, whole(value, variable.dtype)) for variable, value in pairs]):
            logits = network(images, training=False).logits
        return tf.cast(tf.nn.softmax(logits / network.temperature), tf.float32)

    return work


def halved(variable: keras.Variable) -> np.ndarray:
    """Return a variable's values in half precision as bits, or unchanged if half precision overflows (above 65504).

    Bits are used because oneDNN warns on stderr about variables in half precision if the CPU has no AVX-512.
    """
    values = variable.numpy()
    if not np.issubdtype(values.dtype, np.floating):
        return values
    with np.errstate(over="ignore"):
        small = values.astype(np.float16)
    return small.view(np.uint16) if np.isfinite(small).all() else values


def whole(value, dtype: str) -> tf.Tensor:
    """Restore a value from `halved`, cast to `dtype`."""
    return tf.cast(tf.bitcast(value, tf.half) if value.dtype == np.uint16 else value, dtype)


class Served(tf.Module):
    """Serve two signatures, each -> {"probabilities": float32 [n, K], "label": int64 [n], "class": string [n]}.

    serving_default  images: uint8 [n, h, w, 3]; images of the network's size are used unchanged, others are resized
    serve_bytes      encoded: string [n], JPEG, PNG, BMP or GIF (its first frame), seen as in evaluation: resized,
                     and cropped in the middle if the network has a view

    Args:
        network: the network.
        classes_file: file with a class name in each line.
        half: keep weights in half precision; each call converts them to float32.
    """

    def __init__(self, network: Network, classes_file: str, half: bool = False):
        super().__init__()
        self.size, self.view = network.size, network.view
        self.kept = [tf.Variable(halved(v)) for v in network.variables] if half else network.variables
        self.probabilities = probabilities(network, self.kept if half else ())
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
        """Return the answer for images uint8 [n, H, W, 3] of the network's size."""
        found = self.probabilities(images)
        label = tf.argmax(found, -1)
        return {"probabilities": found, "label": label, "class": self.names.lookup(label)}

    def fit(self, picture: tf.Tensor) -> tf.Tensor:
        """Resize uint8 [h, w, 3] to the network's size."""
        return fit_size(picture, self.view, tuple(self.size))

    def each(self, work, items: tf.Tensor) -> tf.Tensor:
        """Apply `work` to n pictures one after another: uint8 [n, *size]."""
        return tf.map_fn(work, items, fn_output_signature=tf.TensorSpec(self.size, tf.uint8))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False)
    def serve(self, images):
        """Answer images, uint8 [n, h, w, 3]."""
        tf.debugging.assert_positive(tf.shape(images), "no images, or images without rows or columns")
        same = tf.reduce_all(tf.equal(tf.shape(images)[1:], self.size))
        ready = tf.cond(same, lambda: images, lambda: self.each(self.fit, images))
        return self.answer(tf.ensure_shape(ready, [None, *self.size]))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="encoded")], autograph=False)
    def serve_bytes(self, encoded):
        """Answer encoded pictures, string [n]."""
        tf.debugging.assert_positive(tf.size(encoded), "no images")
        return self.answer(self.each(lambda one: self.fit(views.decode(one)), encoded))


def write_model(network: Network, classes: tuple[str, ...], out: pathlib.Path, half: bool = False) -> None:
    """Write the SavedModel to a path that does not exist yet. half: as in `Served`."""
    listed = out.with_name(CLASSES)
    listed.write_text("".join(f"{name}\n" for name in classes), "utf-8")
    served = Served(network, str(listed), half)
    tf.saved_model.save(served, str(out), {"serving_default": served.serve, "serve_bytes": served.serve_bytes})


def attach(out: pathlib.Path, texts: Mapping[str, str]) -> None:
    """Write {file name: content} beside the model."""
    for name, text in texts.items():
        (out / name).write_text(text, "utf-8")


def checked_network(images: np.ndarray) -> np.ndarray:
    """Return the images unchanged if they are uint8 [n, h, w, 3]; raise ValueError otherwise."""
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise ValueError(f"images are {images.dtype}, not uint8 in 0..255: they would be misread")
    if images.ndim != 4 or images.shape[3] != 3 or not all(images.shape[1:]):
        raise ValueError(f"images are of shape {list(images.shape)}, not [n, h, w, 3]")
    return images


class Model:
    """Predict with a SavedModel of `export`; any number of threads may call the object."""

    def __init__(self, path: str | os.PathLike):
        path = pathlib.Path(path)
        if not (path / "saved_model.pb").is_file():
            raise FileNotFoundError(f"--model={path} is not a SavedModel: {path / 'saved_model.pb'} is missing")
        self.loaded = tf.saved_model.load(str(path))
        try:
            self.plain, self.encoded = (self.loaded.signatures[name] for name in ("serving_default", "serve_bytes"))
        except KeyError as missing:
            raise ValueError(f"--model={path} has no signature {missing}: export it with run/export.py") from None
        self.classes = (path / "assets" / CLASSES).read_text("utf-8").splitlines()

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return probabilities float32 [n, K] of images uint8 [n, h, w, 3]."""
        images = checked_network(images)
        if not len(images):
            return np.zeros([0, len(self.classes)], np.float32)
        return self.plain(images=tf.constant(images))["probabilities"].numpy()

    def files(self, encoded: list[bytes]) -> np.ndarray:
        """Return probabilities float32 [n, K] of encoded pictures; raise ValueError if one cannot be decoded."""
        if not encoded:
            return np.zeros([0, len(self.classes)], np.float32)
        try:
            return self.encoded(encoded=tf.constant(encoded, tf.string))["probabilities"].numpy()
        except tf.errors.InvalidArgumentError as error:
            cause = error.message.partition("\n\t [[")[0].splitlines()[-1]  # without the place in the graph
            raise ValueError(f"a request of {len(encoded)} pictures is refused: {cause}") from None
