"""Write files atomically: a file is complete or absent, even if the process is killed while it writes."""

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

ENDING = ".tfuda-part"  # suffix of files that are being written
FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file is larger than its disk or ulimit -f allows",
}


@contextlib.contextmanager
def beside(path: str | os.PathLike) -> Iterator[str]:
    """Yield the path of an empty temporary file, which is renamed to `path` at the end.

    A kill leaves either the old file or the new file.

    Args:
        path: final name of the file; its folder must exist.

    Raises:
        FileNotFoundError: if the folder of `path` does not exist.
        OSError: if `path` cannot be written; the error names `path`, not the temporary file.
    """
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
    """Open a temporary file that is renamed to `path` at the end, as `beside` does.

    Args:
        path: final name of the file; a pipe or a device such as /dev/stdout is written to directly.
        mode: mode of `open`.
        options: further keyword arguments of `open`.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # /dev/stdout or a pipe: there is nothing to replace
        with open(path, mode, **options) as file:
            yield file
        return
    with beside(path) as temporary, open(temporary, mode, **options) as file:
        yield file


def _new(path: pathlib.Path) -> str:
    """Create an empty file with the default permissions, which files of `tempfile` do not have."""
    while True:
        temporary = path.with_name(f".{secrets.token_hex(4)}{ENDING}")
        with contextlib.suppress(FileExistsError):
            temporary.touch(exist_ok=False)
            return str(temporary)


def torn(folder: pathlib.Path) -> list[pathlib.Path]:
    """List the temporary files that killed processes left in a folder."""
    return [path for path in folder.glob(f".{'[0-9a-f]' * 8}{ENDING}") if path.is_file()]


def write_whole(path: pathlib.Path, content: str | bytes) -> None:
    """Write a file of this content atomically."""
    with open_whole(path) as file:
        file.write(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))


def no_room(error: BaseException) -> str:
    """Return one sentence for an error of Python or TensorFlow that a full disk caused, "" for every other error."""
    text, number = str(error), getattr(error, "errno", None)
    for known, what in FULL.items():
        reason = os.strerror(known)
        if number == known or (isinstance(error, tf.errors.OpError) and f"; {reason}" in text):
            path = getattr(error, "filename", None) or text.partition(f"; {reason}")[0].rpartition("}} ")[2]
            name = os.path.realpath(path.partition("_temp/")[0]) if number is None else path
            return f"{what}: {name} could not be written; make room and run the same command again"
    return ""


def read_json(path: pathlib.Path, *needs: str) -> dict:
    """Return the JSON object in a file from an untrusted source.

    Args:
        path: the file.
        needs: keys that the object must have.

    Raises:
        ValueError: if the file holds no JSON object, or the object lacks one of `needs`.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not {*needs} <= {*found}:
        with_keys = f" with {' and '.join(needs)}" if needs else ""
        raise ValueError(f"{path} is damaged: it holds no JSON object{with_keys}")
    return found
