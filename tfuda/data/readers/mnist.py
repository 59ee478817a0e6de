"""Read MNIST → MNIST-M: MNIST from the disk, and MNIST-M from its archive or made by the published rule.

`root` holds MNIST as Keras's mnist.npz, as the four original idx files (.gz or not), or as a TensorFlow Datasets
folder (`mnist/3.0.1/`). `root` also holds MNIST-M as the unpacked archive (mnist_m/mnist_m_train/, ..._labels.txt).
With `photographs`, MNIST-M is made instead: each digit is blended with a random patch of a photograph by the absolute
difference per channel (Ganin et al. 2016, section 5.2.4; the authors used BSDS500).
Images are 32 × 32 × 3, digits padded by 2.
"""

from __future__ import annotations

import functools
import gzip
import pathlib
import zlib

import numpy as np
from PIL import Image

from tfuda.data import catalogue, decodable, npz_file
from tfuda.data.files import image_list, pictures_below
from tfuda.data.tasks import Domain

CLASSES = tuple("0123456789")
SIZE = 32
MOST = 2**28  # bytes of an unpacked file; the largest of MNIST has a fifth of that
IDX = {"train": "train", "test": "t10k"}


def load_domain(name: str, split: str, root: str = "", photographs: str = "", data_seed: int = 0) -> Domain:
    """Load MNIST or MNIST-M: images uint8 [N, 32, 32, 3], labels int32 [N].

    Args:
        name: "mnist" or "mnistm".
        split: "train" or "test".
        root: folder of the data; "" for $TFUDA_DATA/mnist.
        photographs: folder of photographs to make MNIST-M from; "" reads the archive.
        data_seed: seed of the patches.
    """
    if name not in ("mnist", "mnistm"):
        raise ValueError(f"config.task names {name!r}: there are mnist and mnistm, as in mnist-mnistm")
    folder = str(catalogue.folder(catalogue.set_of("mnist"), root))
    if name == "mnist":
        images, labels = digits(folder, split)
        return Domain(name, CLASSES, np.repeat(_framed(images)[..., None], 3, -1), labels)
    if photographs:
        images, labels = digits(folder, split)
        return Domain(name, CLASSES, blended(_framed(images), photographs, split, data_seed), labels)
    return archived(folder, split)


def _framed(images: np.ndarray) -> np.ndarray:
    """Pad images with a black border: uint8 [N, 28, 28] -> [N, 32, 32]."""
    edge = (SIZE - images.shape[1]) // 2
    return np.pad(images, ((0, 0), (edge, edge), (edge, edge)))


@functools.lru_cache(maxsize=2)
def digits(root: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Read MNIST: images uint8 [N, 28, 28] and labels int32 [N]."""
    folder = pathlib.Path(root)
    if (file := folder / "mnist.npz").is_file():
        arrays = npz_file.read_arrays(str(file), [f"x_{split}", f"y_{split}"], MOST)
        return _sound(str(file), arrays[f"x_{split}"], arrays[f"y_{split}"])
    for ending in ("", ".gz"):
        files = [folder / f"{IDX[split]}-{kind}-ubyte{ending}" for kind in ("images-idx3", "labels-idx1")]
        if all(file.is_file() for file in files):
            return _sound(str(files[0]), *map(_idx, files))
    if (folder / "mnist").is_dir():
        from tfuda.data.readers import tfds

        found = tfds.load_domain("mnist", split, root)
        return np.asarray(found.images)[..., 0], found.known_labels
    raise FileNotFoundError(
        f"--config.root={root} holds no MNIST: put Keras's mnist.npz there, or the four idx files, or a "
        "TensorFlow Datasets folder mnist/"
    )


def _sound(path: str, images: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels (as int32 [N]); raise ValueError unless shapes and types are those of MNIST."""
    if (
        images.dtype != np.uint8
        or images.shape[1:] != (28, 28)
        or labels.shape != images.shape[:1]
        or not len(labels)
    ):
        raise ValueError(
            f"{path} holds {images.dtype} {images.shape} and {labels.shape}, not MNIST's [N, 28, 28] and [N]"
        )
    return images, _labels(path, labels)


def _labels(path: str, labels: np.ndarray) -> np.ndarray:
    if not np.isin(labels, range(len(CLASSES))).all():
        raise ValueError(f"{path} has labels outside 0..9")
    return labels.astype(np.int32)


def _idx(path: pathlib.Path) -> np.ndarray:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MOST + 1)
        if len(data) > MOST:
            raise ValueError(f"more than {MOST} bytes")
        rank = data[3]
        shape = np.frombuffer(data, ">i4", rank, 4)
        return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
    except (ValueError, EOFError, IndexError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is not an idx file of MNIST, or is damaged ({error})") from None


def blended(ink: np.ndarray, photographs: str, split: str, seed: int) -> np.ndarray:
    """Blend digits with random patches of photographs: |patch - ink| per channel, uint8 [N, 32, 32, 3].

    Args:
        ink: digits, uint8 [N, 32, 32].
        photographs: folder of pictures of at least 32 pixels.
        split: "train" or "test", which draw different patches.
        seed: seed of the patches.
    """
    photos = []
    for path in pictures_below(photographs):
        if min((photo := decodable.picture(path)).size) >= SIZE:
            photos.append(np.asarray(photo))
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
    """Read MNIST-M from its archive: pictures in one folder, and a list with `file label` in each line."""
    home = pathlib.Path(root)
    places = [home / place / f"mnist_m_{split}" for place in ("mnist_m", "mnistm", ".")]
    folder = next((place for place in places if place.is_dir()), None)
    if folder is None:
        raise FileNotFoundError(
            f"--config.root={root} holds no mnist_m/mnist_m_{split}: unpack MNIST-M there, or make it with "
            "--config.photographs=FOLDER"
        )
    files, labels = image_list(folder.with_name(f"mnist_m_{split}_labels.txt"), folder, CLASSES)
    found = np.empty([len(files), SIZE, SIZE, 3], np.uint8)
    for path, out in zip(files, found, strict=True):
        out[:] = np.asarray(decodable.picture(path).resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    return Domain("mnistm", CLASSES, found, labels)
