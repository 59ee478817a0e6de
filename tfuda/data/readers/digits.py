"""Draw the embedded benchmark: four domains of the ten digits, 32x32x3 uint8, without any download.

The images are made from what scikit-learn and matplotlib ship:

- `H` handwritten: every second of scikit-learn's optical digits, upscaled, white on black, jittered.
- `M` handwritten on photographs: the scans that H leaves out, blended with patches of scikit-learn's
  two photographs by the rule of MNIST-M, the absolute difference per channel.
- `R` rendered: digits of matplotlib's own fonts in two greys, either of which may be the lighter one.
- `S` street-like: digits of other faces in colour, with gradient, blur, noise and cropped neighbours.

H and M are disjoint, R and S are disjoint, and so are the train and test splits of each domain:

- scans: in the order of the data set, the even ones of a class go to H and the odd ones to M. The
  first 60 of each are for training, the next 27 for testing.
- photographs: of five vertical bands, training patches lie in bands 0, 2 and 4, testing patches in 1 and 3.
- font faces: each set takes every family (sans, mono, serif, STIX) and every style (regular, bold,
  italic, bold italic) once, a diagonal of the table of families by styles. The faces of Computer
  Modern go to the training sets. `FACES` lists all.

With the same library versions, equal seeds give bitwise identical images; the user's cache folder keeps them.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import hashlib
import itertools
import os
from pathlib import Path

import matplotlib
import numpy as np
import PIL
import scipy
import sklearn
from numpy.random import Generator, default_rng
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy import ndimage
from sklearn.datasets import load_digits, load_sample_images

from tfuda import atomic_files
from tfuda.data.tasks import Domain

DOMAINS = ("H", "M", "R", "S")
CLASSES = tuple("0123456789")
SPLITS = ("train", "test")
KEYS = tuple(f"{d}_{s}_{kind}" for d in DOMAINS for s in SPLITS for kind in ("images", "labels"))
SIZE = 32
VERSION = 1  # part of the cache file's name: raise it with any change of the images
# Images of each digit in train and test; the rarest digit has 174 scans = 2 x (60 + 27).
PER_CLASS = {"H": (60, 27), "M": (60, 27), "R": (140, 60), "S": (140, 60)}
FACES = {
    "R_train": "DejaVuSans DejaVuSansMono-Bold DejaVuSerif-Italic STIXGeneralBolIta cmr10 cmtt10",
    "R_test": "DejaVuSans-Bold DejaVuSansMono-Oblique DejaVuSerif-BoldItalic STIXGeneral",
    "S_train": "DejaVuSans-Oblique DejaVuSansMono-BoldOblique DejaVuSerif STIXGeneralBol cmb10 cmss10 cmti10",
    "S_test": "DejaVuSans-BoldOblique DejaVuSansMono DejaVuSerif-Bold STIXGeneralItalic",
}
BAND = 128  # width of a band of a photograph, which is 640 wide; a patch is at most 106 wide


def load_domain(name: str, split: str = "train", data_seed: int = 0) -> Domain:
    """Load one of `DOMAINS`: images uint8 [N, 32, 32, 3] and labels int32 [N], shuffled and read-only.

    Args:
        name: one of `DOMAINS`.
        split: "train" or "test".
        data_seed: seed of the drawing; scans, photographs and faces are the same for all seeds.
    """
    _check("domain", name, DOMAINS)
    _check("split", split, SPLITS)
    arrays = _arrays(cache_file(data_seed), data_seed)
    images, labels = (arrays[f"{name}_{split}_{kind}"].copy() for kind in ("images", "labels"))
    images.setflags(write=False)
    labels.setflags(write=False)
    return Domain(name, CLASSES, images, labels)


def make(seed: int) -> dict[str, np.ndarray]:
    """Draw all domains: {"H_train_images": uint8 [N, 32, 32, 3], "H_train_labels": int32 [N], ...}."""
    arrays = {}
    for domain, split in itertools.product(DOMAINS, SPLITS):
        key = f"{domain}_{split}"
        arrays[f"{key}_images"], arrays[f"{key}_labels"] = draw_split(domain, split, seed)
    return arrays


@functools.cache
def scans(domain: str, split: str) -> np.ndarray:
    """Return the indices of the optical digits that H or M uses in a split: int64 [10, n], one row per class."""
    target, (train, test) = load_digits().target, PER_CLASS[domain]
    part = slice(0, train) if split == "train" else slice(train, train + test)
    rows = [np.flatnonzero(target == digit)[DOMAINS.index(domain) :: 2] for digit in range(10)]
    table = np.stack([row[part] for row in rows])  # [10, 60 or 27]
    table.setflags(write=False)
    return table


def faces(domain: str, split: str) -> list[Path]:
    """List the font files that R or S uses in a split."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    paths = [folder / f"{face}.ttf" for face in FACES[f"{domain}_{split}"].split()]
    if missing := [path.name for path in paths if not path.exists()]:
        raise FileNotFoundError(f"matplotlib's font folder {folder} lacks {', '.join(missing)}.")
    return paths


def cache_file(seed: int) -> Path:
    """Return the file that keeps the images of a seed, in $TFUDA_CACHE, $XDG_CACHE_HOME/tfuda or ~/.cache/tfuda."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = os.environ.get("TFUDA_CACHE") or f"{base}/tfuda"
    # The library versions are part of the name, because other versions may draw other images.
    versions = [VERSION, *(library.__version__ for library in (np, scipy, sklearn, matplotlib, PIL))]
    digest = hashlib.sha256(" ".join(map(str, versions)).encode()).hexdigest()[:12]
    return Path(os.path.expanduser(folder)) / f"digits-{seed}-{digest}.npz"


@functools.lru_cache(maxsize=2)
def _arrays(path: Path, seed: int) -> dict[str, np.ndarray]:
    if (arrays := read_cache(path)) is None:
        arrays = make(seed)
        write_cache(path, arrays)
    return arrays


def read_cache(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in KEYS}
    except Exception:  # absent, unreadable or damaged: in every case the images are drawn again
        return None


def write_cache(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the cache atomically; in a read-only folder nothing is cached, and the data are still usable."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_files.open_whole(path) as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _check(what: str, value: str, known: tuple[str, ...]) -> None:
    if value in known:
        return
    folded = {k.lower(): k for k in known}
    near = difflib.get_close_matches(str(value).lower(), folded, n=1)
    hint = f" (did you mean {folded[near[0]]!r}?)" if near else ""
    raise ValueError(f"Unknown {what} {value!r}{hint}: the known ones are {', '.join(known)}.")


def draw_split(domain: str, split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw images uint8 [N, 32, 32, 3] and labels int32 [N] of a split, each image from its own generator."""
    draw = {"H": _handwritten, "M": _on_photograph, "R": _rendered, "S": _street}[domain]
    part = SPLITS.index(split)
    key, count = (seed, DOMAINS.index(domain), part), 10 * PER_CLASS[domain][part]
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for i in range(count):
        images[i] = draw(split, i // 10, i % 10, default_rng([*key, i])).clip(0, 255)
    order = default_rng([*key, count]).permutation(count)
    return images[order], (np.arange(count, dtype=np.int32) % 10)[order]


# Each of these four draws one image, float [32, 32, 3], or [32, 32, 1] if grey; values may leave 0..255.


def _handwritten(split: str, rank: int, digit: int, rng: Generator, domain: str = "H") -> np.ndarray:
    scan = _sources()[0][scans(domain, split)[digit, rank]]  # [8, 8]
    big = Image.fromarray(scan).resize((24, 24), Image.Resampling.BICUBIC)
    return _jitter(np.pad(np.asarray(big, float), 4), rng)[..., None]  # [32, 32, 1]


def _on_photograph(split: str, rank: int, digit: int, rng: Generator) -> np.ndarray:
    ink = _handwritten(split, rank, digit, rng, "M")
    photo = _sources()[1][rng.integers(2)]
    side = int(SIZE / rng.uniform(0.3, 1.0))
    band = 2 * int(rng.integers(3)) if split == "train" else 2 * int(rng.integers(2)) + 1
    x = BAND * band + int(rng.integers(BAND - side + 1))
    y = int(rng.integers(photo.height - side + 1))
    patch = photo.crop((x, y, x + side, y + side)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.abs(np.asarray(patch, float) - ink.clip(0, 255))


def _one_of(paths: list[Path], rng: Generator) -> Path:
    return paths[rng.integers(len(paths))]


def _rendered(split: str, rank: int, digit: int, rng: Generator) -> np.ndarray:
    face = _one_of(faces("R", split), rng)
    ink = _jitter(_glyph(digit, face, int(rng.integers(18, 30)), rng), rng, turn=15, shear=0.3)
    fore, back = _two_shades(rng, 1)
    return (back + (fore - back) * ink)[..., None]  # [32, 32, 1]


def _street(split: str, rank: int, digit: int, rng: Generator) -> np.ndarray:
    face = _one_of(faces("S", split), rng)
    size = int(rng.integers(20, 30))
    ink = _jitter(_glyph(digit, face, size, rng), rng, turn=12, shear=0.25)
    for side in (-1, 1):  # neighbouring digits, cut off by the frame
        if rng.random() < 0.7:
            other = np.pad(_glyph(int(rng.integers(10)), face, size, rng), ((0, 0), (SIZE, SIZE)))  # [32, 96]
            ink = np.maximum(ink, np.roll(other, side * int(rng.integers(20, 26)), 1)[:, SIZE : 2 * SIZE])
    fore, back = _two_shades(rng, 3)
    line = np.linspace(-0.35, 0.35, SIZE)
    light = 1 + rng.uniform(-1, 1) * line[:, None] + rng.uniform(-1, 1) * line  # [32, 32]
    image = (back + (fore - back) * ink[..., None]) * light[..., None]  # [32, 32, 3]
    blur = ImageFilter.GaussianBlur(rng.uniform(0, 1))
    image = Image.fromarray(image.clip(0, 255).astype(np.uint8)).filter(blur)
    return np.asarray(image, float) + rng.normal(0, rng.uniform(1, 8), (SIZE, SIZE, 3))


def _glyph(digit: int, face: Path, size: int, rng: Generator) -> np.ndarray:
    """Draw a digit as coverage in 0..1, float [32, 32], centred; some are bolder, narrower or wider."""
    # Every build of Pillow has the basic layout.
    font = ImageFont.truetype(str(face), size, layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = map(int, font.getbbox(str(digit)))
    image = Image.new("L", (right - left + 2, bottom - top + 2))
    stroke = int(rng.random() < 0.25)
    ImageDraw.Draw(image).text((1 - left, 1 - top), str(digit), 255, font, stroke_width=stroke)
    width, height = int(np.clip(image.width * rng.uniform(0.7, 1.2), 4, 30)), min(image.height, 30)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    frame = Image.new("L", (SIZE, SIZE))
    frame.paste(image, ((SIZE - width) // 2, (SIZE - height) // 2))
    return np.asarray(frame, float) / 255


def _jitter(gray: np.ndarray, rng: Generator, turn: float = 10, shear: float = 0.15) -> np.ndarray:
    """Rotate (degrees), shear, scale and shift float [32, 32] at random about its centre."""
    angle, slant, scale = rng.uniform([-turn, -shear, 0.85], [turn, shear, 1.1])
    angle = np.deg2rad(angle)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ np.array([[1, slant], [0, 1]]) / scale
    centre = np.full(2, (SIZE - 1) / 2)
    return ndimage.affine_transform(gray, matrix, centre - matrix @ centre + rng.uniform(-2, 2, 2), order=1)


def _two_shades(rng: Generator, channels: int) -> np.ndarray:
    """Draw foreground and background, float [2, channels], with clearly different brightness."""
    while True:
        shades = rng.uniform(0, 255, (2, channels))
        if abs(np.subtract(*shades.mean(1))) > 80:
            return shades


@functools.cache
def _sources() -> tuple[np.ndarray, list[Image.Image]]:
    """Return the optical digits, uint8 [1797, 8, 8], and the two photographs, 640 wide and 427 high."""
    optical = (load_digits().images * 15.9).astype(np.uint8)  # from 0..16 to 0..254
    return optical, [Image.fromarray(photo) for photo in load_sample_images().images]
