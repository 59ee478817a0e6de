"""Note in a run's config.json which pictures and classes it trains on, and refuse others when it is taken up again.

classes    names of the classes, in the order of the network's outputs
pictures   a hash of the names and the labels of all pictures that train, and of the source's held-out ones
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from ml_collections import ConfigDict

from tfuda.data.files import Files
from tfuda.data.tasks import Domain, Task


def noted(config: ConfigDict, task: Task) -> dict:
    """Return what a run notes of its task."""
    return {"classes": list(task.classes), "pictures": digest(task, homes(config))}


def check(noted_then: Mapping, config: ConfigDict, task: Task, where: str) -> None:
    """Refuse to train on with other classes or pictures than a run began with.

    Args:
        noted_then: what the run noted; empty for one that notes nothing.
        config: the config of the run.
        task: its task, as the folders hold it now.
        where: how the user named the run, for the error.
    """
    check_classes(noted_then, task, where)
    if noted_then.get("pictures", now := digest(task, homes(config))) != now:
        raise ValueError(
            f"the readable pictures are not those that {where} was begun with: choose a new folder, or put them back"
        )


def check_classes(noted_then: Mapping, task: Task, where: str) -> None:
    """Refuse classes that are not those of the network's outputs. Args: as `check`."""
    classes = list(task.classes)
    if (then := noted_then.get("classes", classes)) != classes:
        then = (
            ", ".join(map(str, then)) if isinstance(then, list) else then
        )  # a file from a stranger may hold anything
        raise ValueError(
            f"{where} was trained on the classes {then}, and its data have {', '.join(classes)} now: put them back, "
            "or train in a new folder"
        )


def homes(config: ConfigDict) -> dict[str, str]:
    """Return {stream: the folder that its pictures lie in}."""
    keys = {"source": "source", "target": "target", "target_labelled": "labelled"}
    folders = config.get("data") == "folders"
    return {name: config.get(key if folders else "root") or "" for name, key in keys.items()}


def digest(task: Task, homes: Mapping[str, str]) -> str:
    """Return a hash of the names and the labels of all pictures that train, and of the source's held-out ones."""
    found = hashlib.sha256()
    for name, domain in [*sorted(task.streams.items()), ("source", task.tests["source"])]:
        found.update(name.encode() + names_and_labels(domain, homes.get(name, "")))
    return found.hexdigest()[:24]


def names_and_labels(domain: Domain, home: str) -> bytes:
    """Return the names of a domain's pictures, below `home` where they are, and its labels."""
    images = domain.images
    paths = list(images) if isinstance(images, Files) else []
    inside, own = os.path.abspath(home) + os.sep, [os.path.abspath(path) for path in paths]
    named = [path.removeprefix(inside) if path.startswith(inside) else os.path.basename(path) for path in own]
    labels = b"" if domain.labels is None else domain.labels.tobytes()
    return "\0".join([*named, ""]).encode("utf-8", "surrogateescape") + labels
