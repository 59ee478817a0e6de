"""Read image lists of your own, one for each domain and split, with `path label` in each line.

    --config.data=lists --config.root=/data/pictures --config.task=photo-sketch --config.lists=/data/lists

reads photo_train.txt and photo_test.txt in the folder `lists`, or photo.txt for both splits. Class names are the
lines of classes.txt in that folder. Without that file the classes are the numbers from 0 to the highest label of
all lists in the folder.
"""

from __future__ import annotations

import pathlib
import re

from tfuda.data.files import MOST, image_list, lines_of
from tfuda.data.tasks import Domain


def load_domain(name: str, split: str, root: str = "", lists: str = "") -> Domain:
    """Load a domain of paths with labels int32 [N].

    Args:
        name: name of the domain, the beginning of its list's name.
        split: "train" or "test".
        root: folder that the paths are relative to; "" for the folder of the lists.
        lists: folder of the lists; "" for `root`.
    """
    folder = pathlib.Path(lists or root)
    if not folder.is_dir():
        raise FileNotFoundError(f"--config.lists={lists}: there is no such folder")
    wanted = [folder / f"{name}_{split}.txt", folder / f"{name}.txt"]
    found = next((path for path in wanted if path.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"--config.lists={folder} holds neither {wanted[0].name} nor {wanted[1].name}")
    classes = _classes(folder)
    files, labels = image_list(found, root or folder, classes)
    return Domain(name, classes, files, labels)


def _classes(folder: pathlib.Path) -> tuple[str, ...]:
    if (named := folder / "classes.txt").is_file():
        classes = tuple(line.strip() for line in lines_of(named) if line.strip())
        if len({*classes}) < len(classes) or not classes:
            raise ValueError(f"{named} contains no class name, or one name twice")
        return classes
    highest = 0
    for path in folder.glob("*.txt"):
        labels = [line.rstrip().rpartition(" ")[2] for line in lines_of(path) if line.strip()]
        highest = max([highest, *(int(label) for label in labels if re.fullmatch("[0-9]{1,18}", label))])
    if highest >= MOST:
        raise ValueError(f"{folder} has a list with the label {highest}: labels must be below {MOST}")
    return tuple(map(str, range(highest + 1)))
