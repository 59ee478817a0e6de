"""Inspect picture files: check that training can decode each one and sees what a person sees.

TensorFlow, which training uses, decides if a file can be decoded. The header shows how the picture may differ then.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import struct
import threading
import time
from typing import NamedTuple

import numpy as np
from PIL import Image

from tfuda.data.decodable import FORMATS, decoded_content, over, readable
from tfuda.data.files import Files

# Kinds of findings, the worst first: severity, meaning and remedy.
KINDS = {
    "missing_domain": ("error", "training stops: unpack it, or name the others by --domains"),
    "unreadable_folder": ("error", "training stops there: make it readable for you"),
    "loop": ("error", "a symbolic link back to itself or a folder around it, training stops there: remove it"),
    "unknown_class": ("error", "a folder that is none of the classes, training stops there: move it away"),
    "empty_class": ("error", "a class folder without a picture, training stops there: fill it or remove it"),
    "count": (
        "error",
        "the data set has another number of pictures, results would not be comparable: unpack it again",
    ),
    "versions": ("error", "lists of two versions of the data set, results would not be comparable: take all of one"),
    "bad_line": ("error", "a line of a list is not `path label`, training stops there: correct or remove it"),
    "bad_label": ("error", "a label outside the classes, training stops there: correct the list"),
    "missing": ("error", "no such file, training stops there: put it back, or take the list of --fix_list"),
    "empty_file": ("error", "a file of no bytes, training stops there: fetch it again, or leave it out (--fix_list)"),
    "truncated": ("error", "the end of the file is missing: fetch it again, or leave it out (--fix_list)"),
    "unreadable": (
        "error",
        "nothing can decode it: replace it, or leave it out (--fix_list, --config.on_bad_image=skip)",
    ),
    "contradiction": ("warning", "the same file in several classes of a domain: keep the right one"),
    "duplicate": ("warning", "the same file in several domains, which makes the adaptation look better: keep one"),
    "rotated": ("warning", "viewers rotate it by its EXIF tag, training and serving do not: rotate the pixels"),
    "animated": ("warning", "only the first frame is used: save that frame, or choose another"),
    "alpha": ("warning", "transparency is dropped and hidden colours show: lay it on a background"),
    "16_bit": ("warning", "only the upper 8 of 16 bits are used: save it with 8 bits"),
    "cmyk": ("warning", "colours for print, converted to RGB without a profile: save it as RGB"),
    "palette": ("warning", "at most 256 colours, converted to RGB: check that this is intended"),
    "greyscale": ("warning", "no colours, the one channel is used three times: check that this is intended"),
    "loose": ("warning", "a picture beside the class folders, training does not see it: put it into one"),
    "not_a_picture": (
        "warning",
        "a file that training ignores because of its suffix: convert or remove it",
    ),
    "renumbered": ("note", "a list numbers the classes differently: training uses the names of the folders"),
    "foreign": ("note", "TensorFlow cannot read it: training makes a PNG copy in its cache, once"),
}

# First bytes of a format: (its end mark, within how many last bytes). Some programs write a few bytes after the mark.
ENDS = {b"\x89PNG": (b"IEND", 64), b"\xff\xd8": (b"\xff\xd9", 64), b"GIF8": (b";", 1)}
# Formats that state their length: (its position in the header, bytes that the length does not count).
LENGTHS = {b"RIFF": (4, 8), b"BM": (2, 0)}

CHUNK = 4096  # files in progress at a time


class Finding(NamedTuple):
    """Hold one finding: a kind of KINDS, the place (a file, a folder, or LIST:LINE), and the details."""

    kind: str
    file: str
    detail: str = ""

    @property
    def severity(self) -> str:
        """Return "error", "warning" or "note"."""
        return KINDS[self.kind][0]


class Look(NamedTuple):
    """Hold what a file shows: findings, the first 16 bytes of the SHA-256, and (width, height), 0 where unknown."""

    findings: tuple[Finding, ...] = ()
    digest: bytes = b""
    size: tuple[int, int] = (0, 0)


def inspect_picture(path: str) -> Look:
    """Read and decode one file completely, and return what is found."""
    try:
        data = decoded_content(path)
    except ValueError as error:
        return Look((Finding("unreadable", path, str(error)),))
    except FileNotFoundError:
        link = f"a link to {os.readlink(path)}, which is not there" if os.path.islink(path) else ""
        return Look((Finding("missing", path, link),))
    except OSError as error:
        kind = "loop" if error.errno == errno.ELOOP else "unreadable"
        return Look((Finding(kind, path, (error.strerror or str(error)).lower()),))
    if not data:
        return Look((Finding("empty_file", path),))
    reason, copy = readable(path)
    if (reason or copy is not None) and cut_short(data, reason):
        return Look((Finding("truncated", path, reason),))
    if reason:
        return Look((Finding("unreadable", path, reason),))
    form, size, marks = header(data)
    if copy is not None:
        marks["foreign"] = form
    digest = hashlib.sha256(data).digest()[:16]
    return Look(tuple(Finding(kind, path, detail) for kind, detail in marks.items()), digest, size)


def cut_short(data: bytes, reason: str) -> bool:
    """Return True if the end of a file that a decoder refuses is missing.

    The format's end mark or length decides; for other formats the decoder's reason does.
    """
    for start, (end, within) in ENDS.items():
        if data.startswith(start):
            return end not in data[-within:]
    for start, (place, uncounted) in LENGTHS.items():
        if data.startswith(start):
            return len(data) < place + 4 or len(data) < struct.unpack_from("<I", data, place)[0] + uncounted
    return "truncated" in reason.lower()


def header(data: bytes) -> tuple[str, tuple[int, int], dict[str, str]]:
    """Read format, (width, height) and {kind: detail} from the header, without decoding the pixels."""
    marks: dict[str, str] = {}
    try:
        picture = Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception:  # Pillow raises many kinds; TensorFlow has read this file, so the error does not matter
        return "", (0, 0), marks
    with picture:
        turn = 1
        with contextlib.suppress(Exception):  # a damaged tag rotates nothing
            # getexif of PNG would decode the whole file to find a tag behind the pixels
            late = picture.format != "PNG" or b"eXIf" in data
            turn = (picture.getexif() if late else Image.Image.getexif(picture)).get(0x0112, 1)
        if turn in range(2, 9):
            marks["rotated"] = f"orientation {turn}"
        with contextlib.suppress(Exception):
            if picture.format != "MPO" and getattr(
                picture, "is_animated", False
            ):  # MPO: a photograph and its preview
                marks["animated"] = str(picture.format)
        return str(picture.format), picture.size, {**marks, **_mode(picture, data)}


def _mode(picture: Image.Image, data: bytes) -> dict[str, str]:
    """Return findings on the mode of a picture that is not 8 bits each of red, green and blue."""
    mode = picture.mode
    marks = {}
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        marks["alpha"] = f"mode {mode}"
    if _bits(picture, data) > 8:
        marks["16_bit"] = f"mode {mode}"
    if marks:
        return marks
    if mode == "P" and picture.format != "GIF":  # a GIF always has a palette
        return {"palette": "mode P"}
    if mode == "CMYK":
        return {"cmyk": "mode CMYK"}
    return {"greyscale": f"mode {mode}"} if mode in ("1", "L") else {}


def _bits(picture: Image.Image, data: bytes) -> int:
    """Return the bits of a channel; Pillow's mode does not show them for colour pictures."""
    if picture.format == "PNG":
        return data[24]
    if picture.format == "TIFF":
        return max(picture.tag_v2.get(258) or (1,))  # type: ignore[attr-defined]
    return 8


class Progress:
    """Print progress to stderr: a bar on a terminal, else ten lines if there are many files."""

    def __init__(self, count: int):
        self.count, self.done, self.start, self.shown = count, 0, time.monotonic(), 0.0
        self.terminal = os.isatty(2)
        self.lock = threading.Lock()
        self.out = os.fdopen(os.dup(2), "w")  # decodable.hushed redirects descriptor 2

    def step(self) -> None:
        """Count one picture and print the progress."""
        with self.lock:
            self.done += 1
            now = time.monotonic()
            told = f"{self.done} of {self.count} pictures, {self.done / max(now - self.start, 1e-3):.0f} per second"
            if self.terminal and (now - self.shown > 0.1 or self.done == self.count):
                filled = 30 * self.done // self.count
                self.out.write(f"\r[{'#' * filled}{' ' * (30 - filled)}] {told} ")
                self.shown = now
            elif not self.terminal and self.count >= 2000 and self.done % (self.count // 10) == 0:
                self.out.write(told + "\n")
            self.out.flush()

    def close(self) -> None:
        """End the bar and close the stream."""
        if self.terminal and self.done:
            self.out.write("\n")
        self.out.close()


def survey(files: Files) -> tuple[list[Finding], np.ndarray, np.ndarray]:
    """Inspect N files.

    Returns:
        The findings, digests (S16 [N], empty where a file cannot be used) and sizes (int32 [N, 2]).
    """
    found: list[Finding] = []
    digests, sizes = np.zeros(len(files), "S16"), np.zeros([len(files), 2], np.int32)
    progress = Progress(len(files))

    def work(path: str) -> Look:
        seen = inspect_picture(path)
        progress.step()
        return seen

    try:
        for start in range(0, len(files), CHUNK):
            part = files[start : start + CHUNK]
            for row, seen in enumerate(over(work, part, 0, print, ""), start):
                found += seen.findings
                digests[row], sizes[row] = seen.digest, seen.size
    finally:
        progress.close()
    return found, digests, sizes
