"""Commands that are killed at moments that a seed draws, and what has to be true of what they leave behind."""

import csv
import json
import os
import pathlib
import signal
import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from commands import started
from PIL import Image

RUNNING = ("seconds", "command", "commit")  # what two equal runs need not share


def kill(name: str, words, folder: pathlib.Path, moment: Callable[[set[str], float], bool], number=signal.SIGKILL):
    """Start a command and send it a signal once moment(new names below the folder, seconds since the first)."""
    before, seen, first = names(folder), set(), None
    run = started(name, *words)
    while run.poll() is None:
        seen |= names(folder) - before
        first = first or (time.monotonic() if seen else None)
        if first and moment(seen, time.monotonic() - first):
            run.send_signal(number)
            break
        time.sleep(0.001)
    _, errors = run.communicate(timeout=120)
    return run.returncode, errors, seen


def names(folder: pathlib.Path) -> set[str]:
    """Every file and folder below a folder."""
    return {os.path.join(home, name) for home, below, files in os.walk(folder) for name in (*below, *files)}


def unfinished(path: str | pathlib.Path) -> bool:
    """Is this a name under which something is being written?"""
    parts = pathlib.Path(path).parts
    return any(part.startswith(".") or part.endswith("_temp") or ".tmp" in part for part in parts)


def finals(folder: pathlib.Path) -> list[pathlib.Path]:
    """Files that stand under their own names."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.parent.name != "events")
    return [path for path in files if not unfinished(path.relative_to(folder))]


def content(folder: pathlib.Path) -> dict[str, object]:
    """All that stands below a folder, read whole, by its place; an error where a part of a file is missing."""
    found: dict[str, object] = {}
    for path in finals(folder):
        place = str(path.relative_to(folder))
        if path.name == "checkpoint":
            if latest := tf.train.latest_checkpoint(str(path.parent)):
                found[place] = tensors(latest)
        elif path.name == "saved_model.pb":
            found[place] = answers(path.parent)
        elif path.parent.name in ("checkpoints", "selected", "assets", "variables") or path.name == "fingerprint.pb":
            continue  # read by the two above
        elif path.suffix == ".json":
            found[place] = tree(path, folder)
        else:
            held = READ[path.suffix](path)
            found[place] = held.replace(str(folder), ".") if isinstance(held, str) else held
    return found


def tensors(checkpoint: str) -> dict[str, bytes]:
    reader = tf.train.load_checkpoint(checkpoint)
    kept = [name for name in reader.get_variable_to_shape_map() if name.startswith("state")]
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in kept}


def answers(model: pathlib.Path) -> bytes:
    serve = tf.saved_model.load(str(model)).signatures["serving_default"]
    size = [side or 20 for side in serve.structured_input_signature[1]["images"].shape[1:]]
    images = np.random.default_rng(0).integers(0, 256, [4, *size], np.uint8)
    return serve(images=tf.constant(images))["probabilities"].numpy().tobytes()


def table(path: pathlib.Path) -> list[dict[str, str]]:
    head, *rows = csv.reader(lines(path).splitlines())
    assert all(len(row) == len(head) for row in rows), f"{path} has lines of other lengths"
    return [{key: value for key, value in zip(head, row) if key not in RUNNING} for row in rows]


def tree(path: pathlib.Path, folder: pathlib.Path) -> dict:
    """JSON, paths counted from the folder."""
    held = json.loads(path.read_text("utf-8").replace(str(folder), ""))
    return {key: value for key, value in held.items() if key not in RUNNING}


def arrays(path: pathlib.Path) -> dict[str, bytes]:
    with np.load(path) as file:
        return {name: file[name].tobytes() for name in file.files}


def lines(path: pathlib.Path) -> str:
    text = path.read_text("utf-8")
    assert text.endswith("\n"), f"{path} ends in the middle of a line"
    return text


READ = {
    ".py": lines,
    ".csv": table,
    ".md": lines,
    ".tex": lines,
    ".npy": lambda path: np.load(path).tobytes(),
    ".npz": arrays,
    ".png": lambda path: np.asarray(Image.open(path)).tobytes(),
}
