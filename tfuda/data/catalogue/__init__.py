"""Describe the papers' data sets: their contents, their layout on disk, and where to request them.

Each data set has one TOML file in this folder: classes in the order of the labels in released lists, and domains with
folders, lists and counts. Nothing is downloaded; `config.root` (or $TFUDA_DATA/NAME) is the unpacked archive.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import tomllib
from typing import Any

import numpy as np

from tfuda.data.files import class_folders, image_list
from tfuda.data.tasks import Domain

HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Entry:
    """Hold what a TOML file says about one domain."""

    name: str
    short: str
    title: str
    folders: tuple[str, ...] = ()  # one of them, in the root, holds the class folders
    lists: tuple[str, ...] = ()  # or one of them is an image list of all pictures
    train_lists: tuple[str, ...] = ()  # official splits, if there are any
    test_lists: tuple[str, ...] = ()
    labelled_lists: tuple[str, ...] = ()  # official shots, with {shots} in the names
    unlabelled_lists: tuple[str, ...] = ()
    count: int = 0
    count_train: int = 0
    count_test: int = 0
    counts: tuple[int, ...] = ()  # by class
    counts_train: tuple[int, ...] = ()
    counts_test: tuple[int, ...] = ()
    versions: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)  # {name: train, test}

    def totals(self, split: str) -> dict[str, int]:
        """Return {version: number of pictures in a split}; {} for a data set of one version."""
        return {name: count[split != "train"] for name, count in self.versions.items()}

    def expected(self, split: str) -> tuple[int, tuple[int, ...]]:
        """Return the number of pictures in a split, and the number in each class where known."""
        if self.versions:
            return next(iter(self.totals(split).values())), ()
        if not self.train_lists:
            return self.count, self.counts
        train = split == "train"
        return (self.count_train, self.counts_train) if train else (self.count_test, self.counts_test)


@dataclasses.dataclass(frozen=True)
class Set:
    """Hold what a TOML file says about one data set."""

    name: str
    title: str
    cite: str
    licence: str
    ask: str
    layout: str
    mean_class: bool  # the papers report the mean over classes
    classes: tuple[str, ...]
    partial: dict[str, tuple[str, ...]]
    domains: dict[str, Entry]


@functools.cache
def names() -> tuple[str, ...]:
    """List the names of all data sets."""
    return tuple(sorted(path.stem for path in HERE.glob("*.toml")))


@functools.cache
def set_of(name: str) -> Set:
    """Return a data set by its name."""
    said = _frozen(tomllib.loads((HERE / f"{name}.toml").read_text("utf-8")))
    entries = {key: Entry(key, **about) for key, about in said.pop("domains").items()}
    return Set(name, domains=entries, partial=said.pop("partial", {}), **said)


def _frozen(tree: Any) -> Any:
    """Convert lists to tuples, recursively."""
    if isinstance(tree, dict):
        return {key: _frozen(value) for key, value in tree.items()}
    return tuple(tree) if isinstance(tree, list) else tree


def domain(of: Set, name: str) -> Entry:
    """Return a domain by its name or by the papers' letter."""
    found = of.domains.get(name) or next((entry for entry in of.domains.values() if entry.short == name), None)
    if found is None:
        known = ", ".join(f"{entry.name} ({entry.short})" for entry in of.domains.values())
        raise ValueError(f"{of.title} has no domain {name!r}: it has {known}")
    return found


def part(name: str, kept: str) -> tuple[str, ...]:
    """Return the class names of a partial label set."""
    known = set_of(name).partial if name in names() else {}
    if kept not in known:
        raise ValueError(f"config.partial={kept!r}: {name or 'the data'} has {', '.join(known) or 'no named part'}")
    return known[kept]


def folder(of: Set, root: str) -> pathlib.Path:
    """Return the folder of a data set; the error says where to request the data set."""
    path = pathlib.Path(root or os.path.join(os.environ.get("TFUDA_DATA", ""), of.name))
    if not path.is_dir():
        said = f"--config.root={path}" if root else "--config.root or $TFUDA_DATA"
        raise FileNotFoundError(
            f"{said}: {of.title} is not there; it is requested at {of.ask}, and config.root is its unpacked folder"
        )
    return path


def lists(entry: Entry, split: str) -> tuple[str, ...]:
    """Return the names of the lists of a split: "train", "test", "labelled-3" or "unlabelled-3"."""
    kind, _, shots = split.partition("-")
    chosen = {"labelled": entry.labelled_lists, "unlabelled": entry.unlabelled_lists}.get(kind)
    if chosen is None:
        chosen = (entry.train_lists if split == "train" else entry.test_lists) or entry.lists
    return tuple(name.replace("{shots}", shots) for name in chosen)


def load_domain(name: str, domain_name: str, split: str, root: str = "") -> Domain:
    """Load a domain of a data set: paths and labels int32 [N].

    Args:
        name: name of the data set.
        domain_name: name of the domain, or the papers' letter.
        split: "train", "test", or "labelled-3" and "unlabelled-3" where the data set has lists of shots. Without
            official splits, "train" and "test" both give all pictures.
        root: folder of the data set; "" for $TFUDA_DATA/NAME.
    """
    of = set_of(name)
    entry, path = domain(of, domain_name), folder(of, root)
    listed = [path / file for file in lists(entry, split)]
    inside = [path / place for place in entry.folders]
    if found := next((file for file in listed if file.is_file()), None):
        images, labels = image_list(found, path, of.classes, [place for place in inside if place.is_dir()] or inside)
    elif not entry.train_lists and (place := next((place for place in inside if place.is_dir()), None)):
        _, images, labels = class_folders(place, of.classes)
    else:
        wanted = [*listed, *([] if entry.train_lists else inside)]
        raise FileNotFoundError(
            f"{of.title}, {entry.title}: none of {', '.join(os.path.relpath(p, path) for p in wanted)} is in {path}; "
            f"the layout is that of the archive from {of.ask}"
        )
    return Domain(entry.name, of.classes, images, np.asarray(labels, np.int32))


def shots(name: str, domain_name: str) -> bool:
    """Return True if a domain has official lists of labelled shots."""
    return name in names() and bool(domain_name) and bool(domain(set_of(name), domain_name).labelled_lists)
