"""Export a trained network as a file or folder, and compare the export with the Keras model before publication."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from tfuda.data import pipeline
from tfuda.data.files import Files
from tfuda.networks.base import Network
from tfuda.serving import lite, model_card, onnx_file, publish, saved_model
from tfuda.serving.fixed_size import FixedSize
from tfuda.serving.lite import Lite
from tfuda.serving.model_card import Card
from tfuda.serving.onnx_file import Onnx
from tfuda.serving.saved_model import Model

SAVEDMODEL, TFLITE, ONNX = "savedmodel", ".tflite", ".onnx"
WRITERS: dict[str, Any] = {SAVEDMODEL: saved_model, "tflite": lite, "onnx": onnx_file}

MOST = {False: 1e-2, True: 1e-1}  # difference in a probability, by whether weights are in half precision

# Suffix that each format adds to the name of a model.
FORMATS = {
    SAVEDMODEL: "",
    "savedmodel-float16": "-float16",
    "tflite": TFLITE,
    "tflite-float16": f"-float16{TFLITE}",
    "onnx": ONNX,
}


def export_network(
    network: Network,
    classes: tuple[str, ...],
    out: str | os.PathLike,
    probe: np.ndarray | Files,
    form: str = SAVEDMODEL,
    card: Card | None = None,
) -> dict:
    """Write the network to `out` atomically, load the export alone, and return its row of the parity table.

    Args:
        network: the network.
        classes: names of the classes.
        out: path of the export.
        probe: images for the comparison, uint8 [N, H, W, 3] or the paths of N pictures.
        form: one of FORMATS; -float16 keeps weights in half precision and computes in float32.
        card: what is known of the network, for README.md and model_card.json; None for the classes alone.
    """
    out = pathlib.Path(os.path.abspath(out))
    writer, half = WRITERS[form.removesuffix("-float16")], form.endswith("-float16")
    check_place(out, writer is not saved_model)
    with publish.staged_output(out) as ready:
        writer.write_model(network, classes, ready, half)
        row = {"format": form, "MB": f"{megabytes(ready):.2f}", **parity(network, ready, probe)}
        if not float(row["largest_difference"]) <= MOST[half]:  # a NaN is not, either
            raise ValueError(
                f"the export as {form} differs from the network by {row['largest_difference']} in a probability, "
                f"more than {MOST[half]}: nothing was written to {out}"
            )
        writer.attach(ready, model_card.texts(card or Card(classes), row, writer.USE))
        publish.put_in_place(ready, out)
    return row


def output_paths(out: str, forms: Iterable[str]) -> dict[str, str]:
    """Return {form: path to write}."""
    if not (forms := [*forms]):
        raise ValueError(f"--format is empty: choose some of {', '.join(FORMATS)}")
    if strange := {*forms} - {*FORMATS}:
        raise ValueError(f"--format={min(strange)} is unknown: choose some of {', '.join(FORMATS)}")
    asked, stem = {FORMATS[form] for form in forms}, out.rstrip("/")
    for suffix in (TFLITE, ONNX):
        if stem.endswith(suffix) and not any(one.endswith(suffix) for one in asked):
            raise ValueError(f"--out={out} ends in {suffix}, but --format names no {suffix[1:]}: add it there")
    return {form: stem.removesuffix(TFLITE).removesuffix(ONNX) + FORMATS[form] for form in forms}


def check_place(out: pathlib.Path, file: bool) -> None:
    """Raise ValueError if `out` exists and is not a model of this kind."""
    if file and out.is_dir():
        raise ValueError(f"--out={out} is a folder, but a .tflite or .onnx is a file: choose another name")
    if not file and out.exists() and not (out / "saved_model.pb").is_file():
        raise ValueError(f"--out={out} exists and is not a SavedModel: choose another folder")


def open_model(path: str | os.PathLike) -> Model | FixedSize:
    """Load an export: a file as .onnx by its name or as .tflite, anything else as SavedModel."""
    if not os.path.isfile(path):
        return Model(path)
    return Onnx(path) if os.fspath(path).endswith(ONNX) else Lite(path)


def parity(network: Network, path: pathlib.Path, probe: np.ndarray | Files) -> dict:
    """Compare an export with the network on images and on files.

    Returns:
        The largest difference in probabilities, and the share of equal labels.
    """
    images, model = pipeline.read_pictures(probe, network.view), open_model(path)  # [N, H, W, 3]
    here = saved_model.probabilities(network)(tf.constant(images)).numpy()
    files = map(tf.io.read_file, probe) if isinstance(probe, Files) else map(tf.io.encode_png, probe)
    there = np.stack([model(images), model.files([file.numpy() for file in files])])  # [2, N, K]
    equal = (there.argmax(-1) == here.argmax(-1)).mean()
    return {"largest_difference": f"{np.abs(there - here).max():.1e}", "equal_labels": f"{100 * equal:.1f} %"}


def megabytes(path: pathlib.Path) -> float:
    """Return the size of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file()) / 2**20
