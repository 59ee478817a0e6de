"""Scan a data folder as training reads it, but collect mistakes as findings instead of stopping at the first."""

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

ARRAYS = {("mnist", "mnist")}  # (data set, domain) stored as one file of arrays, not as pictures


@dataclasses.dataclass
class Part:
    """Hold N pictures that training reads as one domain, or as one split where a data set has official lists.

    labels: int32 [N], -1 where unknown
    lines: int32 [N], line of each picture in the list `place`; [0] if `place` is a folder
    expected: number of pictures in all and of each class; 0 and () where the catalogue does not know them
    """

    domain: str
    place: str
    files: Files
    labels: np.ndarray
    classes: tuple[str, ...] = ()
    lines: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0, np.int32))
    split: str = ""
    expected: tuple[int, tuple[int, ...]] = (0, ())
    versions: dict[str, int] = dataclasses.field(default_factory=dict)  # {name: pictures}, where there are several
    lists: tuple[str, ...] = ()  # file names under which the catalogue's reader finds a list of this part

    @property
    def name(self) -> str:
        """Return the domain's name, with the split if there is one."""
        return f"{self.domain}_{self.split}" if self.split else self.domain

    def counts(self) -> np.ndarray:
        """Count the pictures of each class: int64 [K]."""
        return np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes))


# ---- folders and lists


def entries(folder: str, found: list[Finding], around: tuple[str, ...] = ()) -> Iterator[os.DirEntry]:
    """Yield the entries of a folder that can be examined. `around` has the real paths of the folders around it."""
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
    """List every picture below a folder; with `strict`, add a finding for every other file."""
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
    """Read a folder of class folders (named as in `classes`, () for any names), or of pictures without labels."""
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
    """Read a list with `path label` in each line as domain `name`.

    Args:
        path: the list; `root` is the folder that its paths are relative to.
        found: list that findings are added to.
        classes: names of the classes; () allows labels up to MOST.
        homes: folders with class folders, as in `files.image_list`.
    """
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
        found.append(Finding("bad_line", path, "the list contains no picture"))
    known = classes or tuple(map(str, range(max(labels, default=0) + 1)))
    if homes:
        labels = _by_folder(path, names, labels, known, found)
    files = Files(_placed(names, root, homes))
    return Part(name, path, files, np.array(labels, np.int32), known, np.array(lines, np.int32))


def _placed(names: list[str], root: str, homes: Sequence[str]) -> list[str]:
    """Locate the listed pictures; the first picture that exists determines the rule for all."""
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
    """Return the labels that training uses: a folder named as a class decides, else the number in the list."""
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
    """Read what the user named: a data set of the catalogue, lists, or folders (exactly one of them).

    Args:
        data: name of a data set in the catalogue, and `domains` of it, () for all.
        lists: image lists, and the number of their `classes`, 0 if unknown.
        folders: folders of pictures.
        root: folder of the data set, or folder that the paths in the lists are relative to.
        found: list that findings are added to.

    Returns:
        The folder that contains everything, and the parts.
    """
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
            raise FileNotFoundError(f"--root={root}: there is no such folder; {of.title} is requested at {of.ask}")
        root = str(catalogue.folder(of, root))
        return root, of_set(of, root, domains, found)
    if lists:
        return root, of_lists(lists, root, classes, found)
    parts = of_folders(folders, found)
    return folders[0] if len(folders) == 1 else os.path.commonpath(list(map(os.path.abspath, folders))), parts


def of_folders(folders: Sequence[str], found: list[Finding]) -> list[Part]:
    """Read each folder as a domain; all domains share one numbering of the classes."""
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
    """Read each list as a domain; all domains share the labels."""
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
    """Return the last component of each path, or the whole path where two last components are equal."""
    last = [os.path.basename(os.path.abspath(path)) for path in paths]
    return [
        name if last.count(name) == 1 else path.strip("/").replace("/", "_")
        for name, path in zip(last, paths, strict=True)
    ]


def of_set(of: catalogue.Set, root: str, domains: Sequence[str], found: list[Finding]) -> list[Part]:
    """Read domains of a data set in the catalogue, () for all; lists take precedence over folders, as in training."""
    chosen = [catalogue.domain(of, name) for name in domains] or [
        entry for entry in of.domains.values() if (of.name, entry.name) not in ARRAYS
    ]
    parts, absent = [], []
    for entry in chosen:
        if (of.name, entry.name) in ARRAYS:
            raise ValueError(f"{of.title}: {entry.title} is read from a file of arrays, there are no pictures")
        for split in ("train", "test") if entry.train_lists else ("",):
            if part := _of_entry(of, entry, split, root, found):
                part.split, part.expected, part.versions = split, entry.expected(split), entry.totals(split)
                # MNIST-M has its own reader, which accepts only the archive's names
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
