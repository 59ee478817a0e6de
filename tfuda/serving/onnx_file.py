"""Write and read .onnx files: uint8 images [n, H, W, 3] of the network's size in, probabilities [n, K] out.

Keras's own export converts the network by tf2onnx, and onnxruntime compares the file with the Keras model. Class
names, view and model card are the file's metadata (`metadata_props`). ONNX decodes no files, so a caller passes
images of the network's size. Writing needs the extra `onnx`; reading needs onnxruntime alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import pathlib
import warnings
from collections.abc import Iterator, Mapping

import keras
import numpy as np

from tfuda.data import decodable, views
from tfuda.networks.base import Network
from tfuda.serving.fixed_size import FixedSize
from tfuda.serving.saved_model import CLASSES, probabilities

VIEW = "view.json"
INPUT, OUTPUT = "images", "probabilities"
USE = """Every program with ONNX Runtime runs this file. Images are uint8 [n, H, W, 3] of the network's size:

    session = onnxruntime.InferenceSession("FILE.onnx")
    session.run(["probabilities"], {"images": images})[0]

`session.get_modelmeta().custom_metadata_map["classes.txt"]` lists the classes. With tfuda:
`tfuda predict --model=FILE.onnx PICTURES`."""


class Served(keras.Model):
    """Answer images uint8 [n, H, W, 3] with probabilities [n, K]; Keras exports models alone."""

    def __init__(self, network: Network):
        super().__init__(name="served")
        self.network, self.answer, self.built = network, probabilities(network), True

    def call(self, images):
        """Return probabilities float32 [n, K]."""
        return self.answer(images)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Silence the converter's notices and its warnings about NumPy."""
    log = logging.getLogger("tf2onnx")
    level, log.level = log.level, logging.ERROR
    try:
        with decodable.hushed(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.level = level


def needed(what: str, *packages: str) -> None:
    """Raise ImportError with one sentence if a package cannot be imported. what: the flag and its value."""
    for package in packages:
        try:
            __import__(package)
        except ImportError as error:
            raise ImportError(f"{what} needs {package}: pip install 'tfuda[onnx]' ({error})") from None


def write_model(network: Network, classes: tuple[str, ...], out: pathlib.Path, half: bool = False) -> None:
    """Convert the network and write it to `out`. half: not offered by this format."""
    with quietly():
        needed("--format=onnx", "tf2onnx", "onnx", "onnxruntime")
    images = keras.InputSpec(shape=(None, *network.size), dtype="uint8", name=INPUT)
    try:
        with quietly():
            Served(network).export(out, format="onnx", verbose=False, input_signature=[images])
    except Exception as error:  # of the converter or of TensorFlow
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"ONNX cannot hold this network ({reason}): --format=savedmodel") from None
    name_output(out)
    names = "".join(f"{name}\n" for name in classes)
    attach(out, {CLASSES: names, VIEW: json.dumps(dataclasses.asdict(network.view))})


def name_output(out: pathlib.Path) -> None:
    """Call the file's output OUTPUT; the converter takes the name of a node."""
    import onnx

    model = onnx.load(out)
    output = model.graph.output[0]
    for names in (names for node in model.graph.node for names in (node.input, node.output)):
        for place, name in enumerate(names):
            if name == output.name:
                names[place] = OUTPUT
    output.name = OUTPUT
    onnx.save(model, out)


def attach(out: pathlib.Path, texts: Mapping[str, str]) -> None:
    """Add {name: content} to the file's metadata."""
    import onnx

    model = onnx.load(out)
    for name, text in texts.items():
        model.metadata_props.add(key=name, value=text)
    onnx.save(model, out)


class Onnx(FixedSize):
    """Predict with a .onnx of `export`."""

    def __init__(self, path: str | os.PathLike):
        needed(f"--model={path}", "onnxruntime")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = decodable.cores()
        try:
            session = onnxruntime.InferenceSession(os.fspath(path), options, providers=["CPUExecutionProvider"])
            held = session.get_modelmeta().custom_metadata_map
            classes, view = held[CLASSES].splitlines(), views.View(**json.loads(held[VIEW]))
        except Exception as error:  # onnxruntime's exceptions have no common public class
            if isinstance(error, FileNotFoundError):
                raise
            raise ValueError(f"--model={path} is not a .onnx of run/export.py: export the run again") from None
        size = tuple(session.get_inputs()[0].shape[1:])

        def answer(images: np.ndarray) -> np.ndarray:
            return session.run([OUTPUT], {INPUT: images})[0]

        super().__init__(answer, classes, view, size)
