"""Find pictures on disk: class folders, image lists, and folders without labels."""

from __future__ import annotations

import errno
import os
import pathlib
import re
from collections.abc import Iterable, Iterator

import numpy as np

MOST = 100_000  # classes, where only the labels of a list show the number of classes
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff")


class Files:
    """Hold the paths of N pictures in an array of bytes, so that 152,397 paths take some 15 MB."""

    def __init__(self, paths: Iterable[str | os.PathLike] | np.ndarray):
        self.paths = paths if isinstance(paths, np.ndarray) else np.array([os.fsencode(path) for path in paths], "S")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows) -> Files:
        return Files(self.paths[rows])

    def __iter__(self) -> Iterator[str]:
        return map(os.fsdecode, self.paths)


def join(parts: list) -> Files | np.ndarray:
    """Concatenate the images of several domains: all files, or arrays uint8 [N, H, W, 3] of one size."""
    if all(isinstance(part, Files) for part in parts):
        width = max(part.paths.dtype.itemsize for part in parts)
        return Files(np.concatenate([part.paths.astype(f"S{width}") for part in parts]))
    if any(isinstance(part, Files) for part in parts):
        raise ValueError("several sources must be all files or all arrays")
    if len({part.shape[1:] for part in parts}) > 1:
        raise ValueError(f"several sources of different sizes: {', '.join(str(part.shape[1:3]) for part in parts)}")
    return np.concatenate(parts)


def same(a: Files | np.ndarray, b: Files | np.ndarray) -> bool:
    """Return True if both are the same pictures; all but files are compared by identity, not by their values."""
    return np.array_equal(a.paths, b.paths) if isinstance(a, Files) and isinstance(b, Files) else a is b


def is_picture(name: str) -> bool:
    """Return True if a file name has the suffix of a picture and is not hidden."""
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def listed(folder: str | os.PathLike[str]) -> list[os.DirEntry]:
    """List a folder's entries by name, without hidden ones.

    Raises:
        FileNotFoundError, ValueError, OSError: if the folder is absent, a file, or unreadable.
    """
    try:
        with os.scandir(os.fspath(folder)) as entries:
            return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda e: e.name)
    except FileNotFoundError:
        raise FileNotFoundError(f"{folder}: there is no such folder") from None
    except NotADirectoryError:
        raise ValueError(f"{folder} is a file, not a folder") from None
    except OSError as error:
        raise OSError(f"{folder} cannot be read: {(error.strerror or str(error)).lower()}") from None


def pictures_below(folder: str | os.PathLike, seen: tuple[str, ...] = ()) -> list[str]:
    """List every picture below a folder in the order of names; symbolic links are followed.

    Args:
        folder: the folder.
        seen: real paths of the folders that contain `folder`, to detect loops of links.
    """
    real = os.path.realpath(folder)
    if real in seen:
        raise ValueError(f"{folder} is a symbolic link back to {real}, a folder that it lies in: remove it")
    found: list[str] = []
    for entry in listed(folder):
        if _is_folder(entry):
            found += pictures_below(entry.path, (*seen, real))
        elif is_picture(entry.name):
            found.append(entry.path)
    return found


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError(f"{entry.path} is a symbolic-link loop: it points at itself") from None
        raise OSError(f"{entry.path} cannot be read: {(error.strerror or str(error)).lower()}") from None


def class_folders(
    folder: str | os.PathLike, classes: tuple[str, ...] = ()
) -> tuple[tuple[str, ...], Files, np.ndarray]:
    """Read a folder that has one folder of pictures for each class.

    Args:
        folder: the folder.
        classes: allowed folder names in the order of the labels; () takes all folders by name.

    Returns:
        Class names, pictures, and labels int32 [N].
    """
    folders = {entry.name: entry.path for entry in listed(folder) if _is_folder(entry)}
    if not folders:
        raise ValueError(f"{folder} has no class folders: it must hold one folder of pictures for each class")
    if classes and (strange := [name for name in folders if name not in classes]):
        raise ValueError(f"{folder} has the folder {strange[0]!r}, which is none of the {len(classes)} classes")
    names = classes or tuple(folders)
    if odd := [name for name in names if not name.isprintable()]:
        raise ValueError(f"class folder {odd[0]!r} in {folder} has a name that cannot be printed: rename it")
    paths: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        inside = pictures_below(folders[name], (os.path.realpath(folder),)) if name in folders else []
        if name in folders and not inside:
            raise ValueError(f"class folder {folders[name]} holds no picture ({', '.join(ENDINGS)})")
        paths += inside
        labels += [label] * len(inside)
    return names, Files(paths), np.array(labels, np.int32)


def image_list(
    path: str | os.PathLike, root: str | os.PathLike, classes: tuple[str, ...], homes: Iterable[pathlib.Path] = ()
) -> tuple[Files, np.ndarray]:
    """Read a list with `path label` in each line.

    Released lists often begin paths with the authors' own folders. If the first picture is not below `root`,
    leading folders are dropped until the picture is found, and the same number is dropped in every line. The leading
    / of an absolute path is dropped too. A path with .. is refused, because every picture must lie below `root`.

    Args:
        path: the list.
        root: folder that the paths are relative to.
        classes: names of the classes.
        homes: folders with the class folders of a known data set. Pictures may lie there as CLASS/FILE, and a folder
            named as a class decides the label, because lists number the classes differently.

    Returns:
        Pictures, and labels int32 [N].
    """
    homes, places = list(homes), {name.lower(): k for k, name in enumerate(classes)}
    paths, labels = [], []
    for number, line in enumerate(lines_of(path), 1):
        if not line.strip():
            continue
        name, _, label = line.rstrip().rpartition(" ")
        if not name.strip() or not re.fullmatch(r"-?[0-9]{1,18}", label) or "\0" in name:
            raise ValueError(f"{path}, line {number}: {line.strip()!r} must be a path, a blank and a label")
        if not 0 <= int(label) < len(classes):
            raise ValueError(f"{path}, line {number}: label {label} is not in 0..{len(classes) - 1}")
        if path_outside(name):
            raise ValueError(f"{path}, line {number}: {name.strip()!r} leads out of the root by ..; remove the ..")
        folder = pathlib.PurePosixPath(name).parent.name.lower()
        paths.append(name.strip())
        labels.append(places.get(folder, int(label)) if homes else int(label))
    if not paths:
        raise ValueError(f"{path} lists no picture")
    return Files(_resolved(paths, pathlib.Path(root), homes, path)), np.array(labels, np.int32)


def _resolved(paths: list[str], root: pathlib.Path, homes: list[pathlib.Path], listed: str | os.PathLike) -> list:
    """Locate the listed pictures; the first picture determines the rule for all."""
    if (drop := strangers(paths[0], root)) is not None:
        return [os.path.join(root, *path_within(name)[drop:]) for name in paths]
    for home in homes:
        found = [os.path.join(home, *path_within(name)[-2:]) for name in paths]
        if os.path.isfile(found[0]):
            return found
    raise FileNotFoundError(f"{listed}, line 1: {paths[0]} is not under {root}")


def lines_of(path: str | os.PathLike) -> list[str]:
    """Read the lines of a list in UTF-8."""
    try:
        return pathlib.Path(path).read_text("utf-8-sig").split("\n")
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder, not a list") from None
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such list") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8") from None


def path_within(name: str) -> tuple[str, ...]:
    """Split a listed path into folders and file, without the leading / of an absolute path."""
    return tuple(part for part in pathlib.PurePosixPath(name).parts if not part.startswith("/"))


def path_outside(name: str) -> bool:
    """Return True if a listed path contains .. and so may leave its root."""
    return ".." in pathlib.PurePosixPath(name).parts


def strangers(name: str, root: pathlib.Path) -> int | None:
    """Count the leading folders of a listed path that do not exist below `root`; None if the picture is not found."""
    parts = path_within(name)
    return next((i for i in range(len(parts)) if root.joinpath(*parts[i:]).is_file()), None)
