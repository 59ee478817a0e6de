"""Read two folders of your own: the source in class folders, the target in any order.

    --config.source=photos/ --config.target=scans/ --config.labels=scans_labelled/

The source's folder names are the class names. Target pictures are found at any depth. `labels` has class folders as
the source has; only evaluation reads the labels.
"""

from __future__ import annotations

import os
import pathlib

from tfuda.data.files import Files, class_folders, pictures_below
from tfuda.data.tasks import Domain


def load_domain(
    name: str,
    split: str,
    source: str = "",
    target: str = "",
    labels: str = "",
    labelled: str = "",
) -> Domain:
    """Load a domain of pictures from folders.

    Args:
        name: "source" or "target".
        split: "train" or "test"; of the target also "labelled-1" for `labelled`, and "unlabelled-1" for all of
            `target`.
        source: folder with the source's class folders.
        target: folder of target pictures.
        labels: folder with class folders of target pictures, read for the test split only; "" if there is none.
        labelled: folder with class folders of target pictures that train, as shots do; "" if there is none.
    """
    if name not in ("source", "target"):
        raise ValueError(f"config.task names {name!r}; with folders it is source-target")
    for flag, folder in (("source", source), ("target", target)):
        if not folder:
            raise ValueError(f"--config.{flag} is missing: give the folder of {flag} pictures")
    check_apart(source, target)
    if name == "source":
        return _source(source)
    if (split == "test" and labels) or split.startswith("labelled"):
        names, files, known = class_folders(labels if split == "test" else labelled)
        return Domain("target", names, files, known)
    paths = pictures_below(target)
    if not paths:
        raise ValueError(f"--config.target={target} holds no picture")
    return Domain("target", (), Files(paths))


def check_apart(source: str, target: str, prefix: str = "--config.") -> None:
    """Refuse a source and a target that share pictures, by the flags `prefix`source and `prefix`target."""
    a, b = (pathlib.Path(os.path.realpath(folder)) for folder in (source, target))
    if a == b:
        raise ValueError(
            f"{prefix}source and {prefix}target are the same folder {a}: there is nothing to adapt to; name another"
        )
    for flag, inside, outside in (("target", b, a), ("source", a, b)):
        if outside in inside.parents:
            raise ValueError(
                f"{prefix}{flag}={inside} lies inside of {outside}: its pictures would be in both; move it out"
            )


def _source(folder: str) -> Domain:
    names, files, labels = class_folders(folder)
    if len(names) < 2:
        raise ValueError(f"{folder} has the one class {names[0]!r}: a classifier needs at least two classes")
    return Domain("source", names, files, labels)
