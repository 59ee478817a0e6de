"""Publish a model atomically: a kill leaves the old or the new model, and the next export removes other remains."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import pathlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator

ENDING = ".part"


@contextlib.contextmanager
def staged_output(out: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield a path to write to, in a hidden folder beside `out` that is deleted at the end.

    Folders of killed exports are deleted too; an active export holds a lock on its folder.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    mark = f".{out.name[:40]}."
    left = re.compile(re.escape(mark) + r"[^.]+" + re.escape(ENDING))  # and not of a model whose name goes on
    for folder in filter(lambda path: left.fullmatch(path.name), [*out.parent.iterdir()]):
        try:
            with _locked(folder, fcntl.LOCK_NB) as free:
                if free:
                    _recover(folder, out)
                    shutil.rmtree(folder)
        except PermissionError:
            print(f"{folder} is left from another user's export: its owner may delete it", file=sys.stderr)
    while True:
        folder = pathlib.Path(tempfile.mkdtemp(dir=out.parent, prefix=mark, suffix=ENDING))
        with _locked(folder) as mine:
            if mine:  # another export may have removed the folder as left by a killed process
                try:
                    yield folder / out.name
                finally:
                    shutil.rmtree(folder)
                return


@contextlib.contextmanager
def _locked(folder: pathlib.Path, more: int = 0) -> Iterator[bool]:
    """Lock a folder; yield False if it is gone, or locked by another process (with fcntl.LOCK_NB as `more`)."""
    with contextlib.ExitStack() as stack:
        try:
            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX | more)
        except (FileNotFoundError, BlockingIOError):
            yield False
        else:
            yield folder.exists()


def put_in_place(ready: pathlib.Path, out: pathlib.Path) -> None:
    """Rename `ready` to `out`; the previous model moves to the hidden folder."""
    if not out.is_dir():
        os.replace(ready, out)
    elif not exchange(ready, out):
        os.replace(out, _old(ready))
        os.replace(ready, out)


def exchange(a: pathlib.Path, b: pathlib.Path) -> bool:
    """Swap two names in one step and return True, if system and file system can (Linux on a local disk)."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename is not None and rename(here, os.fsencode(a.absolute()), here, os.fsencode(b.absolute()), swap) == 0


def _old(ready: pathlib.Path) -> pathlib.Path:
    return ready.with_name(f"{ready.name}.old")


def _recover(folder: pathlib.Path, out: pathlib.Path) -> None:
    """Finish a publication that was killed between the two steps of `put_in_place` without a swap."""
    ready = folder / out.name
    if _old(ready).exists() and ready.exists() and not out.exists():
        os.replace(ready, out)
