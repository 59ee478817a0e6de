"""Read two folders of your own: the source in class folders, the target in any order.

    --config.source=photos/ --config.target=scans/ --config.labels=scans_labelled/

The source's folder names are the class names. A share `holdout` of each class is kept out of training, for
evaluation. Target pictures are found at any depth. `labels` has class folders as the source has; only
evaluation reads the labels.
"""

from __future__ import annotations

import numpy as np

from tfuda.data.files import Files, class_folders, pictures_below
from tfuda.data.tasks import Domain


def load_domain(
    name: str,
    split: str,
    source: str = "",
    target: str = "",
    labels: str = "",
    holdout: float = 0.2,
    seed: int = 0,
) -> Domain:
    """Load a domain of pictures from folders.

    Args:
        name: "source" or "target".
        split: "train" or "test".
        source: folder with the source's class folders.
        target: folder of target pictures.
        labels: folder with class folders of target pictures, read for the test split only; "" if there is none.
        holdout: share of each source class for the test split, in [0, 1).
        seed: seed that draws the test split.
    """
    if name not in ("source", "target"):
        raise ValueError(f"config.task names {name!r}; with folders it is source-target")
    for flag, folder in (("source", source), ("target", target)):
        if not folder:
            raise ValueError(f"--config.{flag} is missing: give the folder of {flag} pictures")
    if name == "source":
        return _source(source, split, holdout, seed)
    if split == "test" and labels:
        names, files, known = class_folders(labels)
        return Domain("target", names, files, known)
    paths = pictures_below(target)
    if not paths:
        raise ValueError(f"--config.target={target} holds no picture")
    return Domain("target", (), Files(paths))


def _source(folder: str, split: str, holdout: float, seed: int) -> Domain:
    if not 0 <= holdout < 1:
        raise ValueError(f"--config.holdout={holdout}: choose a share from 0 to below 1")
    names, files, labels = class_folders(folder)
    if len(names) < 2:
        raise ValueError(f"{folder} has the one class {names[0]!r}: a classifier needs at least two classes")
    rng, kept = np.random.default_rng([seed, 4]), np.zeros(len(files), bool)
    for k in range(len(names)):
        rows = rng.permutation(np.flatnonzero(labels == k))
        kept[rows[: int(len(rows) * holdout)]] = True
    rows = np.flatnonzero(kept if split == "test" and kept.any() else ~kept)
    return Domain("source", names, files, labels).rows(rows)
