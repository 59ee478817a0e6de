"""Files in, a CSV of predictions out."""

from __future__ import annotations

import csv
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TextIO

from tfuda.data.decodable import hushed, readable
from tfuda.data.files import ENDINGS, pictures_below
from tfuda.serving.lite import Lite
from tfuda.serving.saved_model import Model

CSV: dict[str, Any] = {"mode": "w", "newline": "", "encoding": "utf-8", "errors": "surrogateescape"}  # of the file


def pictures(paths: Iterable[str]) -> list[pathlib.Path]:
    """The files that are named, and the pictures in folders that are named, in order of their names."""
    found: list[pathlib.Path] = []
    for path in paths:
        inside = pictures_below(path) if os.path.isdir(path) else []
        found += map(pathlib.Path, inside or [path])
    return found


def read_picture(path: pathlib.Path) -> bytes:
    """The bytes of a picture that can be decoded, as PNG where only Pillow can; ValueError says why not."""
    if path.is_dir():
        raise ValueError(f"the folder holds no picture ({', '.join(ENDINGS)})")
    reason, png = readable(str(path))
    if reason:
        raise ValueError(reason)
    return png or path.read_bytes()


def batches(
    paths: Iterable[pathlib.Path], complain: Callable[[str], None], size: int = 64
) -> Iterator[tuple[list[pathlib.Path], list[bytes]]]:
    """(paths, contents) of up to `size` readable files; each unreadable one is a line to `complain`."""
    names: list[pathlib.Path] = []
    contents: list[bytes] = []
    for path in paths:
        try:
            with hushed():
                contents.append(read_picture(path))
            names.append(path)
        except ValueError as error:
            complain(f"{path}: {error}")
        if len(names) == size:
            yield names, contents
            names, contents = [], []
    if names:
        yield names, contents


def predict_files(model: Model | Lite, paths: Iterable[str], out: TextIO, complain: Callable[[str], None]) -> int:
    """Write `file,label,confidence` for every readable picture; returns how many files were unreadable."""
    bad = 0

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
    return bad
