"""Import pairs that another tool made: one folder for each direction, with a picture named like each original.

Originals in files: ORIGINALS/cats/7.jpg is paired with GIVEN/cats/7.png. Where GIVEN/cats/7.png is missing, the
partner is GIVEN/7.png, or the only 7.png at any depth; endings do not count. The given files are not copied:
index.csv names their paths. Originals in arrays: the names are those that run/images.py writes, as H_train_00012.png.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping

import numpy as np
from ml_collections import ConfigDict

from tfuda.data import decodable
from tfuda.data.files import Files, pictures_below
from tfuda.data.tasks import Domain, Task
from tfuda.data.views import decode
from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir
from tfuda.translation import pair_store
from tfuda.translation.cyclegan import DIRECTIONS


def import_pairs(
    config: ConfigDict, workdir: Workdir, given: Mapping[str, str], task: Task, say: Callable[[str], None]
) -> dict:
    """Pair the pictures of two folders with the task's originals, each of which must have a partner.

    Args:
        config: the config of the pairs.
        workdir: the folder to write the pairs to.
        given: {direction: folder with pictures that another tool translated}.
        task: the task whose training pictures are the originals.
        say: takes a line for the user.

    Returns:
        {direction: entry of index.json}.
    """
    if absent := [direction for direction in DIRECTIONS if direction not in given]:
        raise ValueError(f"pairs.{absent[0]} is missing: pairs made elsewhere come as two folders")
    domains = dict(zip(DIRECTIONS, (task.streams["source"], task.streams["target"]), strict=True))
    found = {}
    for direction, domain in domains.items():
        files, _ = decodable.readable_pictures(matched(originals(config, domain), given[direction]), "error", say)
        found[direction] = files if isinstance(domain.images, Files) else _array(files, domain)
    workdir.record(config)
    entries = {}
    for direction, domain in domains.items():
        images, path = found[direction], workdir.path / pair_store.pair_folder(direction, domain)
        if isinstance(images, Files):
            assert isinstance(domain.images, Files)
            pair_store.put_table(path, domain.images, list(images))
        else:
            pair_store.put_array(path, images)
        side = config.view.resize if isinstance(images, Files) else images.shape[1]
        entries[direction] = pair_store.entry(direction, domain, config.pairs.size or side)
        say(f"{given[direction]}: {len(images)} pictures of {domain.name}")
    return entries


def originals(config: ConfigDict, domain: Domain) -> list[str]:
    """Return the names of a domain's pictures, one for each row; for files their paths without ending."""
    if isinstance(domain.images, Files):
        return [os.path.splitext(path)[0] for path in domain.images]
    plain = None if domain.origin is not None else build.loader(config)(domain.name, "train").images
    if not np.array_equal(np.asarray(plain), pair_store.arrays(domain)):
        raise ValueError(
            f"the pictures of {domain.name} are a part of the data set, or of several domains, and have no names: "
            "pairs made elsewhere need a plain task"
        )
    return [f"{domain.name}_train_{row:05d}" for row in range(len(domain))]


def matched(names: list[str], folder: str) -> Files:
    """Return the file of each name in a folder, at any depth."""
    there = {os.path.splitext(os.path.relpath(path, folder))[0]: path for path in pictures_below(folder)}
    alone: dict[str, list[str]] = {}
    for end in there:
        alone.setdefault(os.path.basename(end), []).append(end)
    found: list[str] = []
    used: dict[str, str] = {}
    for name in names:
        parts = pathlib.PurePath(name).parts
        ends = (os.path.join(*parts[i:]) for i in range(len(parts)))
        key = next((end for end in ends if end in there), None)
        if key is None and len(alone.get(parts[-1], ())) == 1:
            key = alone[parts[-1]][0]
        if key is None:
            raise FileNotFoundError(f"{folder} has no picture {parts[-1]}.png for the original {name}")
        if key in used:
            raise ValueError(f"{there[key]} fits two originals, {used[key]} and {name}: keep their folders apart")
        used[key] = name
        found.append(there[key])
    return Files(found)


def _array(files: Files, domain: Domain) -> np.ndarray:
    """Return the pictures of files, uint8 [N, H, W, 3], which must have the originals' size."""
    return np.stack([_picture(path, pair_store.arrays(domain).shape[1:]) for path in files])


def _picture(path: str, shape: tuple[int, ...]) -> np.ndarray:
    image = decode(pathlib.Path(path).read_bytes()).numpy()
    if image.shape != shape:
        raise ValueError(f"{path} is {image.shape[1]} × {image.shape[0]}, its original {shape[1]} × {shape[0]}")
    return image
