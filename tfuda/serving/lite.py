"""Write and read .tflite files: uint8 images [n, H, W, 3] of the network's size in, probabilities [n, K] out.

Class names, view and model card lie in a zip archive after the model, as TFLite's own metadata do: `unzip -l FILE`.
TFLite cannot run a network with operations outside its built-in ones, or with layers under mixed precision. TFLite
decodes no files, so a caller passes images of the network's size.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import os
import pathlib
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from tfuda.data import decodable, views
from tfuda.networks.base import Network
from tfuda.serving.fixed_size import FixedSize
from tfuda.serving.saved_model import CLASSES, probabilities

VIEW = "view.json"
USE = """TensorFlow's interpreter, or LiteRT's, runs this file. Images are uint8 [n, H, W, 3] of the network's size:

    run = tf.lite.Interpreter("FILE.tflite").get_signature_runner()
    run(images=images)["probabilities"]

`unzip -p FILE.tflite classes.txt` prints the classes. With tfuda: `tfuda predict --model=FILE.tflite PICTURES`."""


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Silence TFLite's notices: that tf.lite moves to ai_edge_litert, and which delegate is used."""
    with decodable.hushed(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*ai_edge_litert")
        yield


def write_model(network: Network, classes: tuple[str, ...], out: pathlib.Path, half: bool = False) -> None:
    """Convert the network and write it to `out`. half: keep weights in half precision, compute in float32."""
    weights = [variable.numpy() for variable in network.variables]  # constants: the converter would drop variables
    images = tf.TensorSpec([None, *network.size], tf.uint8, name="images")
    answer = probabilities(network, weights)
    served = tf.function(lambda images: {"probabilities": answer(images)}, input_signature=[images], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([served.get_concrete_function()], tf.Module())
    if half:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    try:
        with quietly():
            out.write_bytes(converter.convert())
    except Exception as error:  # the converter's exception class is not public
        raise ValueError(f"TFLite cannot run this network ({reason(error)}): --format=savedmodel") from None
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(zipfile.ZipInfo(CLASSES), "".join(f"{name}\n" for name in classes))
        archive.writestr(zipfile.ZipInfo(VIEW), json.dumps(dataclasses.asdict(network.view)))


def attach(out: pathlib.Path, texts: Mapping[str, str]) -> None:
    """Add {file name: content} to the zip archive after the model."""
    with zipfile.ZipFile(out, "a") as archive:
        for name, text in texts.items():
            archive.writestr(zipfile.ZipInfo(name), text)


def reason(error: Exception) -> str:
    """Return what the converter reports as missing, or the first line of its error."""
    text = str(error).strip()
    named = re.search(r"error: ('.*)", text)
    return named[1] if named else text.partition("\n")[0] or type(error).__name__


def interpreter(path: pathlib.Path):
    """Create the interpreter of LiteRT if that is installed, else TensorFlow's own."""
    if importlib.util.find_spec("ai_edge_litert"):
        from ai_edge_litert.interpreter import Interpreter
    else:
        Interpreter = tf.lite.Interpreter
    return Interpreter(str(path), num_threads=decodable.cores())


class Lite(FixedSize):
    """Predict with a .tflite of `export`."""

    def __init__(self, path: str | os.PathLike):
        path = pathlib.Path(path)
        try:
            with zipfile.ZipFile(path) as archive:
                classes = archive.read(CLASSES).decode().splitlines()
                view = views.View(**json.loads(archive.read(VIEW)))
            with quietly():
                runner = interpreter(path).get_signature_runner()
                size = tuple(map(int, runner.get_input_details()["images"]["shape_signature"][1:]))
                runner(images=np.zeros([1, *size], np.uint8))  # the first call chooses the delegate
        except (zipfile.BadZipFile, KeyError, ValueError):
            raise ValueError(f"--model={path} is not a .tflite of run/export.py: export the run again") from None
        super().__init__(lambda images: runner(images=images)["probabilities"], classes, view, size)
