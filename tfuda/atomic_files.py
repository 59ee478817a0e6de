"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import secrets
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

ENDING = ".tfuda-part"  # of files that are being written
FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file is larger than its disk or ulimit -f allows",
}


@contextlib.contextmanager
def beside(path: str | os.PathLike) -> Iterator[str]:
    """An empty file to write to, which takes the name `path` at the end: a kill leaves the old one or the new one."""
    path = pathlib.Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path} could not be written: there is no folder {path.parent}")
    temporary = ""
    try:
        temporary = _new(path)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno and not (temporary and error.filename):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


@contextlib.contextmanager
def open_whole(path: str | os.PathLike, mode: str = "wb", **options) -> Iterator[Any]:
    """The same, open to write into."""
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/stdout, a pipe: nothing to replace
        with open(path, mode, **options) as file:
            yield file
        return
    with beside(path) as temporary, open(temporary, mode, **options) as file:
        yield file


def _new(path: pathlib.Path) -> str:
    """An empty file with the permissions of any new one, which tempfile's do not have."""
    while True:
        temporary = path.with_name(f".{secrets.token_hex(4)}{ENDING}")
        with contextlib.suppress(FileExistsError):
            temporary.touch(exist_ok=False)
            return str(temporary)


def torn(folder: pathlib.Path) -> list[pathlib.Path]:
    """What killed processes left of files in a folder."""
    return [path for path in folder.glob(f".{'[0-9a-f]' * 8}{ENDING}") if path.is_file()]


def write_whole(path: pathlib.Path, content: str | bytes) -> None:
    """A file of this content, all or nothing."""
    with open_whole(path) as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def no_room(error: BaseException) -> str:
    """A sentence for Python's and TensorFlow's errors of a full disk; "" for all others."""
    text, number = str(error), getattr(error, "errno", None)
    for known, what in FULL.items():
        reason = os.strerror(known)
        if number == known or (isinstance(error, tf.errors.OpError) and f"; {reason}" in text):
            path = getattr(error, "filename", None) or text.partition(f"; {reason}")[0].rpartition("}} ")[2]
            name = os.path.realpath(path.partition("_temp/")[0]) if number is None else path
            return f"{what}: {name} could not be written; make room and run the same command again"
    return ""


def read_json(path: pathlib.Path, *needs: str) -> dict:
    """An object of a file that may be anybody's; ValueError for what is none, or lacks one of the keys."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not {*needs} <= {*found}:
        with_keys = f" with {' and '.join(needs)}" if needs else ""
        raise ValueError(f"{path} is damaged: no JSON object{with_keys}")
    return found
