"""What a data folder holds, read as training reads it but without stopping at a mistake: mistakes are collected."""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np

from tfuda.data import catalogue
from tfuda.data.audit.inspect_file import Finding
from tfuda.data.files import MOST, Files, is_picture, lines_of, listed, path_outside, path_within, strangers
from tfuda.names import near

ARRAYS = {("mnist", "mnist")}  # set and domain that come as one file of arrays, not as pictures


@dataclasses.dataclass
class Part:
    """N pictures that training reads as one domain, or as one split of it where a set has official lists.

    labels: int32 [N], -1 where nobody knows them
    lines: int32 [N], where each is in the list `place`; [0] where that is a folder
    expected: in all, and by class; 0 and () where the catalogue does not know
    """

    domain: str
    place: str
    files: Files
    labels: np.ndarray
    classes: tuple[str, ...] = ()
    lines: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.int32))
    split: str = ""
    expected: tuple[int, tuple[int, ...]] = (0, ())
    lists: tuple[str, ...] = ()  # names under which the catalogue's reader would find a list of it

    @property
    def name(self) -> str:
        return f"{self.domain}_{self.split}" if self.split else self.domain

    def counts(self) -> np.ndarray:
        """Pictures of each class: int64 [K]."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes))


# ---- folders and lists


def entries(folder: str, found: list[Finding], around: tuple[str, ...] = ()) -> Iterator[os.DirEntry]:
    """What a folder holds and can be looked at; around: the real paths of the folders that it lies in."""
    if (real := os.path.realpath(folder)) in around:
        found.append(Finding("loop", folder, f"leads to {real}"))
        return
    try:
        inside = listed(folder)
    except OSError as error:
        found.append(Finding("unreadable_folder", folder, str(error)))
        return
    for entry in inside:
        try:
            entry.is_dir()
        except OSError as error:
            kind = "loop" if error.errno == errno.ELOOP else "unreadable_folder"
            found.append(Finding(kind, entry.path, (error.strerror or "").lower()))
        else:
            yield entry


def walk(folder: str, found: list[Finding], strict: bool = False, around: tuple[str, ...] = ()) -> list[str]:
    """Every picture in a folder and its folders; strict: other files are a finding."""
    paths: list[str] = []
    for entry in entries(folder, found, around):
        if entry.is_dir():
            paths += walk(entry.path, found, strict, (*around, os.path.realpath(folder)))
        elif is_picture(entry.name):
            paths.append(entry.path)
        elif strict:
            found.append(Finding("not_a_picture", entry.path))
    return paths


def folder_part(name: str, folder: str, found: list[Finding], classes: tuple[str, ...] = ()) -> Part:
    """A folder of class folders, called as in `classes` where those are given; else of pictures without labels."""
    mine: list[Finding] = []
    top = list(entries(folder, mine))
    loose = [entry.path for entry in top if not entry.is_dir() and is_picture(entry.name)]
    inside: dict[str, list[str]] = {}
    for entry in top:
        if entry.is_dir() and classes and entry.name not in classes:
            mine.append(Finding("unknown_class", entry.path))
        elif entry.is_dir():
            before = len(mine)
            inside[entry.name] = walk(entry.path, mine, True, (os.path.realpath(folder),))
            if not inside[entry.name] and all(one.kind == "not_a_picture" for one in mine[before:]):
                mine.append(Finding("empty_class", entry.path))
    if loose and not classes and not any(inside.values()):
        paths = walk(folder, found)
        return Part(name, folder, Files(paths), np.full(len(paths), -1, np.int32))
    found += [*mine, *(Finding("loose", path) for path in loose)]
    names = classes or tuple(inside)
    labels = [names.index(one) for one, paths in inside.items() for _ in paths]
    paths = [path for paths in inside.values() for path in paths]
    return Part(name, folder, Files(paths), np.array(labels, np.int32), names)


def list_part(
    name: str,
    path: str,
    root: str,
    found: list[Finding],
    classes: tuple[str, ...] = (),
    homes: Sequence[str] = (),
) -> Part:
    """A list of `path label`; without classes, labels may be any number. homes: as in files.image_list."""
    names, labels, lines, before = [], [], [], len(found)
    for number, line in enumerate(lines_of(path), 1):
        if not line.strip():
            continue
        picture, _, label = line.rstrip().rpartition(" ")
        if (
            not picture.strip()
            or not re.fullmatch(r"-?[0-9]{1,18}", label)
            or "\0" in picture
            or path_outside(picture)
        ):
            found.append(Finding("bad_line", f"{path}:{number}", repr(line.strip())))
        elif not 0 <= int(label) < (len(classes) or MOST):
            highest = f"..{len(classes) - 1}" if classes else " or more"
            found.append(Finding("bad_label", f"{path}:{number}", f"{label} is not 0{highest}"))
        else:
            names.append(picture.strip())
            labels.append(int(label))
            lines.append(number)
    if not names and len(found) == before:
        found.append(Finding("bad_line", path, "the list names no picture"))
    known = classes or tuple(map(str, range(max(labels, default=0) + 1)))
    if homes:
        labels = _by_folder(path, names, labels, known, found)
    files = Files(_placed(names, root, homes))
    return Part(name, path, files, np.array(labels, np.int32), known, np.array(lines, np.int32))


def _placed(names: list[str], root: str, homes: Sequence[str]) -> list[str]:
    """Where listed pictures are: as the first that is there is found, so are all."""
    split = [path_within(name) for name in names]
    for name, parts in zip(names, split, strict=True):
        if (drop := strangers(name, pathlib.Path(root))) is not None:
            return [os.path.join(root, *one[drop:]) for one in split]
        if home := next((home for home in homes if os.path.isfile(os.path.join(home, *parts[-2:]))), None):
            return [os.path.join(home, *one[-2:]) for one in split]
    return [os.path.join(root, *one) for one in split]


def _by_folder(
    path: str, names: list[str], labels: list[int], classes: tuple[str, ...], found: list[Finding]
) -> list[int]:
    """The labels that training takes: where a picture's folder bears a class's name, that class."""
    number = {name.lower(): label for label, name in enumerate(classes)}
    folders = [pathlib.PurePosixPath(name).parent.name.lower() for name in names]
    taken = [number.get(folder, label) for folder, label in zip(folders, labels, strict=True)]
    if other := sum(a != b for a, b in zip(labels, taken, strict=True)):
        found.append(Finding("renumbered", path, f"{other} of {len(labels)} labels"))
    return taken


# ---- what a user may name


def wanted(
    data: str,
    domains: Sequence[str],
    lists: Sequence[str],
    folders: Sequence[str],
    root: str,
    classes: int,
    found: list[Finding],
) -> tuple[str, list[Part]]:
    """The folder that everything lies in, and what is in it: of a set, of lists or of folders, one of the three."""
    if bool(data) + bool(lists) + bool(folders) != 1:
        raise ValueError("name either --data and --root, or --list and --root, or folders; --help shows an example")
    for flag, value, wants in (("domains", domains, data), ("classes", classes, lists), ("root", root, not folders)):
        if value and not wants:
            raise ValueError(f"--{flag} says nothing with {'--data' if data else '--list' if lists else 'folders'}")
    if data:
        if data not in catalogue.names():
            raise ValueError(f"--data={data!r} is not in the catalogue{near(data, catalogue.names())}")
        of = catalogue.set_of(data)
        if root and not os.path.isdir(root):
            raise FileNotFoundError(f"--root={root}: there is no such folder; {of.title} is asked for at {of.ask}")
        root = str(catalogue.folder(of, root))
        return root, of_set(of, root, domains, found)
    if lists:
        return root, of_lists(lists, root, classes, found)
    parts = of_folders(folders, found)
    return folders[0] if len(folders) == 1 else os.path.commonpath(list(map(os.path.abspath, folders))), parts


def of_folders(folders: Sequence[str], found: list[Finding]) -> list[Part]:
    """Each is a domain; their classes are numbered together."""
    if len({os.path.realpath(folder) for folder in folders}) < len(folders):
        raise ValueError("the same folder is named twice")
    parts = []
    for folder, name in zip(folders, _short(folders), strict=True):
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"{folder}: there is no such folder")
        before = len(found)
        parts.append(folder_part(name, folder, found))
        if not len(parts[-1].files) and len(found) == before:
            raise ValueError(f"{folder} holds no picture")
    together = tuple(sorted({name for part in parts for name in part.classes}))
    for part in parts:
        if part.classes:
            part.labels = np.array([together.index(name) for name in part.classes], np.int32)[part.labels]
            part.classes = together
    return parts


def of_lists(lists: Sequence[str], root: str, classes: int, found: list[Finding]) -> list[Part]:
    """Each is a domain; their labels count together."""
    if not root:
        raise ValueError("--root is missing: the folder that the paths in the list are relative to")
    if not os.path.isdir(root):
        raise FileNotFoundError(f"--root={root}: there is no such folder; the paths in a list are relative to it")
    names = [name.removesuffix(".txt") for name in _short(lists)]
    known = tuple(map(str, range(classes)))
    parts = [list_part(name, path, root, found, known) for name, path in zip(names, lists, strict=True)]
    for part in parts:
        part.classes = max((one.classes for one in parts), key=len)
    return parts


def _short(paths: Sequence[str]) -> list[str]:
    """The last part of each path, or all of it where two have the same."""
    last = [os.path.basename(os.path.abspath(path)) for path in paths]
    return [
        name if last.count(name) == 1 else path.strip("/").replace("/", "_")
        for name, path in zip(last, paths, strict=True)
    ]


def of_set(of: catalogue.Set, root: str, domains: Sequence[str], found: list[Finding]) -> list[Part]:
    """Domains of a set of the catalogue, () for all: lists go before folders, as in catalogue.load."""
    chosen = [catalogue.domain(of, name) for name in domains] or [
        entry for entry in of.domains.values() if (of.name, entry.name) not in ARRAYS
    ]
    parts, absent = [], []
    for entry in chosen:
        if (of.name, entry.name) in ARRAYS:
            raise ValueError(f"{of.title}: {entry.title} is read from a file of arrays, there are no pictures")
        for split in ("train", "test") if entry.train_lists else ("",):
            if part := _of_entry(of, entry, split, root, found):
                part.split, part.expected = split, entry.expected(split)
                # MNIST-M has a reader of its own, which knows the archive's names alone
                part.lists = () if of.name == "mnist" else catalogue.lists(entry, split or "train")
                parts.append(part)
            else:
                wanted = [*catalogue.lists(entry, split or "train"), *(() if split else entry.folders)]
                said = f"{entry.title}: there is none of {', '.join(wanted)}"
                absent.append(Finding("missing_domain", os.path.join(root, wanted[-1]), said))
    if not parts:
        raise FileNotFoundError(f"--root={root} holds nothing of {of.title}: {absent[0].detail}")
    found += absent
    return parts


def _of_entry(of: catalogue.Set, entry: catalogue.Entry, split: str, root: str, found: list[Finding]) -> Part | None:
    named = [os.path.join(root, name) for name in catalogue.lists(entry, split or "train")]
    inside = [os.path.join(root, name) for name in entry.folders]
    there = list(filter(os.path.isdir, inside))
    if path := next(filter(os.path.isfile, named), None):
        if of.name == "mnist":  # the archive names MNIST-M's pictures without the folder beside the list
            return list_part(entry.name, path, path.removesuffix("_labels.txt"), found, of.classes)
        return list_part(entry.name, path, root, found, of.classes, there or inside)
    if there and not entry.train_lists:
        return folder_part(entry.name, there[0], found, of.classes)
    return None
