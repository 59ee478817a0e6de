"""Predict the labels of picture files, and write the predictions to a CSV file."""

from __future__ import annotations

import csv
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from tfuda.data.decodable import hushed, readable
from tfuda.data.files import ENDINGS, pictures_below
from tfuda.serving.fixed_size import FixedSize
from tfuda.serving.saved_model import Model

CSV: dict[str, Any] = {"mode": "w", "newline": "", "encoding": "utf-8", "errors": "surrogateescape"}  # for open

MOST = 64 << 20  # bytes of files in a batch


def pictures(paths: Iterable[str]) -> list[pathlib.Path]:
    """List the named files, and the pictures in named folders in the order of their names."""
    found: list[pathlib.Path] = []
    for path in paths:
        inside = pictures_below(path) if os.path.isdir(path) else []
        found += map(pathlib.Path, inside or [path])
    return found


def read_picture(path: pathlib.Path) -> bytes:
    """Return a picture's bytes, as PNG if only Pillow can decode it; raise ValueError with the reason otherwise."""
    if path.is_dir():
        raise ValueError(f"the folder holds no picture ({', '.join(ENDINGS)})")
    reason, png = readable(str(path))
    if reason:
        raise ValueError(reason)
    return png or path.read_bytes()


def batches(
    paths: Iterable[pathlib.Path], complain: Callable[[str], None], size: int = 64
) -> Iterator[tuple[list[pathlib.Path], list[bytes]]]:
    """Yield (paths, contents) of up to `size` readable files, or MOST bytes; call `complain` for each other file."""
    names: list[pathlib.Path] = []
    contents: list[bytes] = []
    for path in paths:
        try:
            with hushed():
                contents.append(read_picture(path))
            names.append(path)
        except ValueError as error:
            complain(f"{path}: {error}")
        if len(names) == size or sum(map(len, contents)) > MOST:
            yield names, contents
            names, contents = [], []
    if names:
        yield names, contents


def predict_files(
    model: Model | FixedSize,
    paths: Iterable[str],
    out: TextIO,
    complain: Callable[[str], None],
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write `file,label,confidence` for every readable picture; return the number of unreadable files.

    Args:
        model: the exported model.
        paths: files and folders.
        out: the open CSV file.
        complain: called with a line for each unreadable file.
        progress: called with the number of pictures that are done, after each batch.
    """
    bad = done = 0

    def note(line: str) -> None:
        nonlocal bad
        bad += 1
        complain(line)

    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "label", "confidence"])
    for names, contents in batches(pictures(paths), note):
        for path, row in zip(names, model.files(contents), strict=True):
            best = int(row.argmax())
            writer.writerow([os.fspath(path), model.classes[best], f"{row[best]:.4f}"])
        out.flush()
        done += len(names)
        progress(done)
    return bad
