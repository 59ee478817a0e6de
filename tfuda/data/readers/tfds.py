"""Read domains from TensorFlow Datasets; a task is BUILDER-BUILDER, as mnist-svhn_cropped.

    --config.data=tfds --config.root=/data/tfds --config.task=domainnet/real-domainnet/sketch

`root` is the data_dir of TFDS. Nothing is downloaded: prepare a builder first (`tfds build mnist`). Data sets that
TFDS lacks are built from the catalogue (`tfuda.data.readers.tfds_builders`): office31/amazon, office_home/art,
visda/train, ... with the unpacked archive in root/downloads/manual/NAME.
Small images of one size are read into memory; others are unpacked once into files in the cache folder.
"""

from __future__ import annotations

import hashlib
import os
import pathlib

import numpy as np

from tfuda import atomic_files
from tfuda.data.decodable import cache_folder
from tfuda.data.files import Files
from tfuda.data.tasks import Domain

SMALL = 64  # pixels


def load_domain(name: str, split: str, root: str = "") -> Domain:
    """Load a builder's images (arrays or files) and labels int32 [N].

    Args:
        name: BUILDER, or BUILDER/CONFIG.
        split: "train" or "test"; a builder without this split gives all images for both.
        root: data_dir of TFDS; "" for its default.
    """
    builder = prepared(name, root)
    part = split if split in builder.info.splits else "+".join(builder.info.splits)
    features = builder.info.features
    if not {"image", "label"} <= set(features):
        raise ValueError(f"TFDS {name} has the features {', '.join(features)}, and needs image and label")
    classes, shape = tuple(features["label"].names), features["image"].shape
    small = None not in shape and max(shape[:2]) <= SMALL
    return Domain(name, classes, *(_arrays if small else _unpacked)(builder, part))


def prepared(name: str, root: str):
    """Return a builder that is ready to read; builders of the catalogue are prepared here from their archive."""
    if ":" in name:
        raise ValueError(
            f"config.task names {name!r}: data sets of TFDS's community are code to download, so are refused"
        )
    try:
        import tensorflow_datasets as tfds

        from tfuda.data.readers import tfds_builders
    except Exception as error:  # protocol buffers of tensorflow-metadata may be too new for TensorFlow
        raise ImportError(
            f"tensorflow-datasets cannot be imported, which pip install 'tfuda[tfds]' brings ({error}); "
            "with TensorFlow before 2.20 install tensorflow-metadata<1.18"
        ) from None

    try:
        builder = tfds.builder(name, data_dir=root or None, try_gcs=False)
    except (tfds.core.DatasetNotFoundError, ValueError) as error:
        said = str(error).strip().splitlines()[0]
        raise ValueError(f"config.task names {name!r}, which is no TFDS builder: {said}") from None
    if builder.data_path.exists():
        return builder
    if isinstance(builder, tfds_builders.FromCatalogue):
        tfds.disable_progress_bar()
        builder.download_and_prepare(file_format="tfrecord")
        return builder
    raise FileNotFoundError(
        f"TFDS {name} is not prepared in {builder.data_dir}: run `tfds build {name}"
        + (f" --data_dir={root}`" if root else "`")
    )


def _arrays(builder, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Read images uint8 [N, H, W, 3] and labels int32 [N] into memory."""
    data = builder.as_dataset(split=part, shuffle_files=False).as_numpy_iterator()
    rows = [(row["image"], row["label"]) for row in data]
    images = np.stack([image for image, _ in rows])
    if images.shape[-1] == 1:
        images = np.repeat(images, 3, -1)
    return images, np.array([label for _, label in rows], np.int32)


def _unpacked(builder, part: str) -> tuple[Files, np.ndarray]:
    """Write the encoded pictures as files, once; return the files and labels int32 [N]."""
    import tensorflow_datasets as tfds

    made = (pathlib.Path(builder.data_dir) / "dataset_info.json").stat().st_mtime_ns
    mark = hashlib.sha256(f"{os.path.abspath(builder.data_dir)}\0{made}".encode()).hexdigest()[:16]
    home = cache_folder() / "tfds" / f"{builder.name}-{mark}" / part
    table = home / "labels.npy"
    if not table.is_file():
        home.mkdir(parents=True, exist_ok=True)
        labels = []
        skip = {"image": tfds.decode.SkipDecoding()}
        for number, row in enumerate(builder.as_dataset(split=part, shuffle_files=False, decoders=skip)):
            (home / f"{number:07d}.jpg").write_bytes(row["image"].numpy())
            labels.append(int(row["label"]))
        with atomic_files.open_whole(table) as file:  # written last, so that a kill leaves no incomplete table
            np.save(file, np.array(labels, np.int32))
    labels = np.load(table, allow_pickle=False)
    return Files([home / f"{number:07d}.jpg" for number in range(len(labels))]), labels
