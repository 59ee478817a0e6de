"""A trained network as a file or folder that others serve, compared with the Keras model before it gets its name."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tfuda.data import pipeline
from tfuda.data.files import Files
from tfuda.networks.base import Network
from tfuda.serving import lite, publish, saved_model
from tfuda.serving.lite import Lite
from tfuda.serving.saved_model import Model

SAVEDMODEL, TFLITE = "savedmodel", ".tflite"

# What each format adds to the name of a model.
FORMATS = {SAVEDMODEL: "", "savedmodel-float16": "-float16", "tflite": TFLITE, "tflite-float16": f"-float16{TFLITE}"}


def export_network(
    network: Network,
    classes: tuple[str, ...],
    out: str | os.PathLike,
    probe: np.ndarray | Files,
    form: str = SAVEDMODEL,
) -> dict:
    """Write the network to `out`, whole or not at all, and read it back alone: its row of the table of parity.

    probe: images to compare the two on, uint8 [N, H, W, 3] or the paths of N pictures
    form: one of FORMATS; the -float16 ones keep weights in half precision and compute in float32
    """
    out = pathlib.Path(os.path.abspath(out))
    writer, half = lite if form.startswith("tflite") else saved_model, form.endswith("float16")
    check_place(out, writer is lite)
    with publish.staged_output(out) as ready:
        writer.write_model(network, classes, ready, half)
        row = {"format": form, "MB": f"{megabytes(ready):.2f}", **parity(network, ready, probe)}
        publish.put_in_place(ready, out)
    return row


def output_paths(out: str, forms: Iterable[str]) -> dict[str, str]:
    """{form: the path that it is written to}."""
    if strange := {*forms} - {*FORMATS}:
        raise ValueError(f"--format={min(strange)} is unknown: choose some of {', '.join(FORMATS)}")
    return {form: out.removesuffix(TFLITE) + FORMATS[form] for form in forms}


def check_place(out: pathlib.Path, file: bool) -> None:
    """Refuse to replace what is no model."""
    if file and out.is_dir():
        raise ValueError(f"--out={out} is a folder, and a .tflite is a file: choose another name")
    if not file and out.exists() and not (out / "saved_model.pb").is_file():
        raise ValueError(f"--out={out} exists and is no SavedModel: choose another folder")


def open_model(path: str | os.PathLike) -> Model | Lite:
    """What `export` wrote: a file is a .tflite, anything else should be a SavedModel."""
    return Lite(path) if os.path.isfile(path) else Model(path)


def parity(network: Network, path: pathlib.Path, probe: np.ndarray | Files) -> dict:
    """Largest difference in probabilities to the network, for images and for files, and the share of equal labels."""
    images, model = pipeline.read_pictures(probe, network.view), open_model(path)  # [N, H, W, 3]
    here = saved_model.probabilities(network)(tf.constant(images)).numpy()
    files = map(tf.io.read_file, probe) if isinstance(probe, Files) else map(tf.io.encode_png, probe)
    there = np.stack([model(images), model.files([file.numpy() for file in files])])  # [2, N, K]
    equal = (there.argmax(-1) == here.argmax(-1)).mean()
    return {"largest_difference": f"{np.abs(there - here).max():.1e}", "equal_labels": f"{100 * equal:.1f} %"}


def megabytes(path: pathlib.Path) -> float:
    """Of a file, or of all in a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file()) / 2**20
