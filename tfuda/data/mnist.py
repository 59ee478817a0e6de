"""MNIST → MNIST-M: MNIST from the disk, and MNIST-M read from its archive or made by its rule.

`root` holds MNIST as Keras's mnist.npz, as the four idx files of the original (.gz or not), or as a TensorFlow
Datasets folder (`mnist/3.0.1/`); and MNIST-M as its archive unpacked (mnist_m/mnist_m_train/, ..._labels.txt), or
the photographs to make it of: with `photographs` every digit is laid over a random patch of one of them by the
published rule, the absolute difference per channel (Ganin et al. 2016, section 5.2.4; they took BSDS500).
Images are 32 × 32 × 3, digits padded by 2.
"""

from __future__ import annotations

import functools
import gzip
import pathlib

import numpy as np
from PIL import Image

from tfuda.data import catalogue
from tfuda.data.domains import Domain
from tfuda.data.files import below

CLASSES = tuple("0123456789")
SIZE = 32
IDX = {"train": "train", "test": "t10k"}


def load(name: str, split: str, root: str = "", photographs: str = "", seed: int = 0) -> Domain:
    """name: "mnist" or "mnistm"; images uint8 [N, 32, 32, 3], labels int32 [N]."""
    if name not in ("mnist", "mnistm"):
        raise ValueError(f"config.task names {name!r}: there are mnist and mnistm, as in mnist-mnistm")
    folder = str(catalogue.folder(catalogue.get("mnist"), root))
    if name == "mnist":
        images, labels = digits(folder, split)
        return Domain(name, CLASSES, np.repeat(_framed(images)[..., None], 3, -1), labels)
    if photographs:
        images, labels = digits(folder, split)
        return Domain(name, CLASSES, blended(_framed(images), photographs, split, seed), labels)
    return archived(folder, split)


def _framed(images: np.ndarray) -> np.ndarray:
    """uint8 [N, 28, 28] -> [N, 32, 32]."""
    edge = (SIZE - images.shape[1]) // 2
    return np.pad(images, ((0, 0), (edge, edge), (edge, edge)))


@functools.lru_cache(maxsize=2)
def digits(root: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """MNIST: uint8 [N, 28, 28] and int32 [N]."""
    folder = pathlib.Path(root)
    if (file := folder / "mnist.npz").is_file():
        with np.load(file, allow_pickle=False) as found:
            return found[f"x_{split}"], found[f"y_{split}"].astype(np.int32)
    for ending in ("", ".gz"):
        files = [folder / f"{IDX[split]}-{kind}-ubyte{ending}" for kind in ("images-idx3", "labels-idx1")]
        if all(file.is_file() for file in files):
            images, labels = map(_idx, files)
            return images, labels.astype(np.int32)
    if (folder / "mnist").is_dir():
        from tfuda.data import tfds

        found = tfds.load("mnist", split, root)
        return np.asarray(found.images)[..., 0], found.known_labels
    raise FileNotFoundError(
        f"--config.root={root} holds no MNIST: put Keras's mnist.npz there, or the four idx files, or a "
        "TensorFlow Datasets folder mnist/"
    )


def _idx(path: pathlib.Path) -> np.ndarray:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rank = data[3]
    shape = np.frombuffer(data, ">i4", rank, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def blended(ink: np.ndarray, photographs: str, split: str, seed: int) -> np.ndarray:
    """uint8 [N, 32, 32] of ink on random patches: |patch - ink| per channel, uint8 [N, 32, 32, 3]."""
    photos = []
    for path in below(photographs):
        with Image.open(path) as photo:
            if min(photo.size) >= SIZE:
                photos.append(np.asarray(photo.convert("RGB")))
    if not photos:
        raise ValueError(f"--config.photographs={photographs} holds no picture of {SIZE} pixels or more")
    rng = np.random.default_rng([seed, 5, split == "test"])
    found = np.empty([len(ink), SIZE, SIZE, 3], np.uint8)
    for image, out in zip(ink, found, strict=True):
        chosen = photos[rng.integers(len(photos))]
        y, x = rng.integers(chosen.shape[0] - SIZE + 1), rng.integers(chosen.shape[1] - SIZE + 1)
        patch = chosen[y : y + SIZE, x : x + SIZE].astype(np.int16)
        out[:] = np.abs(patch - image[..., None])
    return found


def archived(root: str, split: str) -> Domain:
    """MNIST-M from its archive: pictures in one folder, and a list `file label`."""
    home = pathlib.Path(root)
    places = [home / place / f"mnist_m_{split}" for place in ("mnist_m", "mnistm", ".")]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise FileNotFoundError(
            f"--config.root={root} holds no mnist_m/mnist_m_{split}: unpack MNIST-M there, or make it with "
            "--config.photographs=FOLDER"
        )
    lines = folder.with_name(f"mnist_m_{split}_labels.txt").read_text("utf-8").split()
    names, labels = lines[::2], np.array(lines[1::2], np.int32)
    found = np.empty([len(names), SIZE, SIZE, 3], np.uint8)
    for name, out in zip(names, found, strict=True):
        with Image.open(folder / name) as picture:
            out[:] = np.asarray(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    return Domain("mnistm", CLASSES, found, labels)
