"""Check before training that every file can be decoded, so that no run fails hours after its start.

Files that Pillow can read and TensorFlow cannot (TIFF, and WebP before TensorFlow 2.19) get a PNG copy in the cache
folder, and the copy is read from then on. Results are kept with sizes and times of the files, so the next start
only compares these.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import io
import itertools
import json
import os
import pathlib
import stat
import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf
from PIL import Image

from tfuda.atomic_files import write_whole
from tfuda.data import image_headers
from tfuda.data.files import Files
from tfuda.data.views import decode, square_part

# Formats of Pillow in use: some others start programs (EPS), and none of the others has a suffix in files.ENDINGS.
FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "WEBP", "TIFF")
NAMED = 5  # bad files that an error names; run/verify.py names all


def cache_folder() -> pathlib.Path:
    """Return the cache folder: $TFUDA_CACHE, $XDG_CACHE_HOME/tfuda or ~/.cache/tfuda."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(os.path.expanduser(os.environ.get("TFUDA_CACHE") or f"{base}/tfuda"))


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keep the decoders' own messages off stderr; bad files are reported by name instead."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def readable(path: str) -> tuple[str, bytes | None]:
    """Check that a file can be decoded.

    Returns:
        ("", None) if TensorFlow decodes the file, ("", PNG bytes) if only Pillow does, else (the reason, None).
    """
    try:
        data = decoded_content(path)
    except (OSError, ValueError) as error:
        return (getattr(error, "strerror", "") or str(error)).lower(), None
    if not data:
        return "the file is empty", None
    try:
        decode(tf.constant(data))
    except (tf.errors.OpError, ValueError) as error:
        return (
            (f"too large: not 1 to {image_headers.LARGEST} pixels", None)
            if image_headers.REFUSED in str(error)
            else _other(data)
        )
    return "", None


def picture(path: str) -> Image.Image:
    """Read a picture file with Pillow as RGB; raise ValueError with the reason if the file cannot be read."""
    with hushed():
        reason, copy = readable(path)
    if reason:
        raise ValueError(f"{path} cannot be read as a picture: {reason}")
    with Image.open(io.BytesIO(copy or decoded_content(path)), formats=FORMATS) as found:
        return found.convert("RGB")


def decoded_content(path: str) -> bytes:
    """Read a file's bytes; raise ValueError for a pipe or device, and for a file too large for a picture."""
    about = os.stat(path)
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("not a regular file")
    if about.st_size > 4 * image_headers.LARGEST:
        raise ValueError(f"too large: {about.st_size} bytes")
    return pathlib.Path(path).read_bytes()


def _other(data: bytes) -> tuple[str, bytes | None]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if not 0 < picture.width * picture.height <= image_headers.LARGEST:
                return f"too large: not 1 to {image_headers.LARGEST} pixels", None
            pixels = _colours(picture)
            out = io.BytesIO()
            pixels.save(out, "PNG")
    except Image.DecompressionBombError:
        return f"too large: not 1 to {image_headers.LARGEST} pixels", None
    except Image.UnidentifiedImageError:
        return "no picture", None
    except Exception as error:  # Pillow raises many kinds for damaged files
        return f"damaged ({error})", None
    return "", out.getvalue()


def _colours(picture: Image.Image) -> Image.Image:
    """Convert to RGB; deep grey keeps all 16 bits (floats their range), where Pillow's convert would clip at 255."""
    if not picture.mode.startswith(("I", "F")):
        return picture.convert("RGB")
    values = np.asarray(picture, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("pixels are NaN or not finite")
    low, high = (values.min(), values.max()) if picture.mode == "F" else (0.0, 65535.0)
    grey = (values - low) * 255 / max(high - low, 1e-12)
    return Image.fromarray(grey.round().clip(0, 255).astype(np.uint8)).convert("RGB")


def over(work: Callable, items: Iterable, count: int, say: Callable[[str], None], what: str) -> list:
    """Return [work(item) for item in items], computed on all cores, in order.

    Args:
        work: function of an item.
        items: the items, `count` in all.
        say: called with a line of progress after every tenth, from 2000 items on.
        what: beginning of these lines.
    """
    found: list = []
    rest, step = iter(items), max(count // 10, 1) if count >= 2000 else count or 1
    with concurrent.futures.ThreadPoolExecutor(cores()) as pool:
        while part := list(itertools.islice(rest, step)):
            with hushed():
                found += pool.map(work, part)
            if count >= 2000:
                say(f"{what}: {len(found)} of {count}")
    return found


def readable_pictures(
    files: Files, on_bad: str = "error", say: Callable[[str], None] = print
) -> tuple[Files, np.ndarray]:
    """Return the files that can be decoded, and their rows: int64 [n].

    Args:
        files: N pictures; a file that only Pillow reads is replaced with a PNG copy.
        on_bad: "error" raises ValueError for bad files; "skip" leaves them out. Both name the files.
        say: called with each line of progress.
    """
    if on_bad not in ("error", "skip"):
        raise ValueError(f"on_bad_image={on_bad!r}: choose error or skip")
    verdict = _remembered(files) or _judge(files, say)
    if not verdict["bad"]:  # a bad file may be repaired before the next start
        _remember(files, verdict)
    bad, copies = verdict["bad"], verdict["copies"]
    if bad:
        named = "; ".join(f"{path}: {reason}" for path, reason in list(bad.items())[:NAMED])
        more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        if on_bad == "error":
            raise ValueError(
                f"{len(bad)} of {len(files)} pictures cannot be read ({named}{more}): --config.on_bad_image=skip"
            )
        say(f"leaving out {len(bad)} of {len(files)} pictures that cannot be read ({named}{more})")
    if not bad and not copies:
        return files, np.arange(len(files))
    keep = np.array([i for i, path in enumerate(files) if path not in bad], np.int64)
    return Files([copies.get(path, path) for path in files[keep]]), keep


def _judge(files: Files, say: Callable[[str], None]) -> dict:
    def look(path: str) -> tuple[str, str]:
        reason, png = readable(path)
        return reason, str(_copy(path, png)) if png is not None else ""

    bad, copies = {}, {}
    for path, (reason, copied) in zip(files, over(look, files, len(files), say, "reading pictures"), strict=True):
        if reason:
            bad[path] = reason
        elif copied:
            copies[path] = copied
    return {"bad": bad, "copies": copies}


def copy_of(path: str) -> pathlib.Path:
    """Return where the PNG copy of a file lies that only Pillow reads."""
    return cache_folder() / "copies" / f"{picture_mark(path)}.png"


def _copy(path: str, png: bytes) -> pathlib.Path:
    out = copy_of(path)
    if not out.exists():  # a copy that is written anew would be another picture to what is stored of it
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, png)
    return out


def picture_mark(path: str, more: str = "") -> str:
    """Return a hash of a file's absolute path, size and time."""
    found = os.stat(path)
    told = f"{os.path.abspath(path)}\0{found.st_size}\0{found.st_mtime_ns}\0{more}"
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _memo(files: Files) -> pathlib.Path:
    digest = hashlib.sha256(tf.__version__.encode())
    for path in files:
        try:
            digest.update(picture_mark(path).encode())
        except OSError:
            digest.update(f"{path}\0absent\n".encode("utf-8", "surrogateescape"))
    return cache_folder() / "checked" / f"{digest.hexdigest()[:24]}.json"


def _remembered(files: Files) -> dict | None:
    try:
        verdict = json.loads(_memo(files).read_text("utf-8"))
        return verdict if all(map(os.path.isfile, verdict["copies"].values())) else None
    except (OSError, ValueError, KeyError, TypeError):  # absent or damaged: look again
        return None


def _remember(files: Files, verdict: dict) -> None:
    with contextlib.suppress(OSError):
        memo = _memo(files)
        memo.parent.mkdir(parents=True, exist_ok=True)
        write_whole(memo, json.dumps(verdict).encode())


def shrunk(files: Files, side: int, folder: str | os.PathLike, say: Callable[[str], None]) -> Files:
    """Make copies of side × side pixels once, uncompressed (BMP, 192 KB each at 256).

    Shrinking is the view's first step, so a network sees the same pictures. One value in a thousand differs by 1 of
    255, because cropping the whole square rounds differently from computing the crop alone. A changed file gets a
    new copy.

    Args:
        files: the pictures.
        side: height and width of a copy.
        folder: where the copies are kept.
        say: called with each line of progress.
    """
    if not side:
        raise ValueError("config.cache needs config.view.resize, the size to shrink to")
    home = pathlib.Path(folder)
    home.mkdir(parents=True, exist_ok=True)

    def copy(path: str) -> str:
        out = home / f"{picture_mark(path, str(side))}.bmp"
        if not out.is_file():
            picture = decode(tf.constant(pathlib.Path(path).read_bytes()))
            small = square_part(picture, side, tf.zeros([2], tf.int32), tf.fill([2], side))
            data = io.BytesIO()
            Image.fromarray(small.numpy()).save(data, "BMP")
            write_whole(out, data.getvalue())
        return str(out)

    return Files(over(copy, files, len(files), say, f"shrinking to {side} x {side}"))
