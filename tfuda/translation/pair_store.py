"""Store translated pictures on disk, and link them to their originals.

    FOLDER/index.json                      task, split; for each direction domain, count, size, hash of the originals
    FOLDER/source_as_target.npy            uint8 [N, H, W, 3] in the order of the domain's rows, for arrays
    FOLDER/source_as_target/index.csv      row, original, translated (relative to FOLDER), for pictures in files
    FOLDER/source_as_target/00012_NAME.png
    FOLDER/target_as_source...             the same for the other direction

Row r of either is the picture whose `index` in a batch is r. Every file is written atomically, and index.json comes
last, so a folder with index.json is complete.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import os
import pathlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from tfuda.atomic_files import read_json, write_whole
from tfuda.data import npz_file, pipeline
from tfuda.data.files import Files
from tfuda.data.tasks import Domain
from tfuda.data.views import View
from tfuda.translation.cyclegan import DIRECTIONS

MANY = 2000  # from this many pictures on, progress is printed at every tenth
PIXELS = 2**18  # pixels in a batch that is translated at once
FIELDS = ("row", "original", "translated")


def digest(images: np.ndarray | Files) -> str:
    """Hash the pixels of arrays, or the paths of files."""
    found = hashlib.sha256()
    if isinstance(images, Files):
        for path in images.paths:
            found.update(bytes(path) + b"\0")
    else:
        found.update(f"{images.dtype} {images.shape} ".encode())
        found.update(np.ascontiguousarray(images).data)
    return found.hexdigest()


def arrays(domain: Domain) -> np.ndarray:
    """Return the images of a domain of arrays: uint8 [N, H, W, 3]."""
    assert isinstance(domain.images, np.ndarray)
    return domain.images


def pair_folder(direction: str, domain: Domain) -> str:
    """Return the file, relative to the folder of pairs, that holds or lists a domain's translations."""
    return f"{direction}/index.csv" if isinstance(domain.images, Files) else f"{direction}.npy"


def entry(direction: str, domain: Domain, side: int) -> dict:
    """Return a direction's entry in index.json."""
    found = {"domain": domain.name, "count": len(domain), "size": [side, side], "originals": digest(domain.images)}
    return found | {"translated": pair_folder(direction, domain)}


# ---- writing


def put_pictures(
    folder: pathlib.Path,
    direction: str,
    domain: Domain,
    view: View,
    translate: Callable,
    say: Callable[[str], None],
    pause: Callable[[str], None],
) -> None:
    """Translate and write every picture of a domain that is not yet written.

    Args:
        folder: folder of the pairs.
        direction: one of DIRECTIONS.
        domain: the domain to translate.
        view: resizes a picture to the generators' size.
        translate: uint8 [B, H, W, 3] -> the same shape.
        say: called with each line of progress.
        pause: called with the progress after every batch; may raise to stop.
    """
    side = view.size or arrays(domain).shape[1]
    batch = max(1, min(256, PIXELS // side**2))

    def batches(first: int):
        for at, seen in zip(
            range(first, len(domain), batch), pipeline.pictures(domain.images[first:], view, batch), strict=True
        ):
            made = translate(seen[:, 0]).numpy()
            yield at, made
            done = at + len(made)
            if len(domain) >= MANY and done * 10 // len(domain) > at * 10 // len(domain):
                say(f"{folder / direction}: {done} of {len(domain)}")
            pause(f"after {done} of {len(domain)} pictures {direction.replace('_', ' ')}")

    path = folder / pair_folder(direction, domain)
    if isinstance(domain.images, Files):
        _put_files(path, domain.images, batch, batches)
    elif not path.is_file():
        put_array(path, np.concatenate([made for _, made in batches(0)]))


def put_array(path: pathlib.Path, images: np.ndarray) -> None:
    """Write uint8 [N, H, W, 3] as .npy."""
    out = io.BytesIO()
    np.save(out, images)
    write_whole(path, out.getvalue())


def _put_files(table: pathlib.Path, files: Files, batch: int, batches: Callable) -> None:
    """Write one PNG each, from the first batch with a missing one on; the batches of every run are equal."""
    home = table.parent
    home.mkdir(exist_ok=True)
    paths = [home / name_of(row, path) for row, path in enumerate(files)]
    lacking = next((row for row, path in enumerate(paths) if not path.is_file()), None)
    if lacking is not None:
        for first, made in batches(lacking // batch * batch):
            for path, image in zip(paths[first : first + len(made)], made, strict=True):
                if not path.is_file():
                    out = io.BytesIO()
                    Image.fromarray(image).save(out, "PNG")
                    write_whole(path, out.getvalue())
    put_table(table, files, [f"{home.name}/{path.name}" for path in paths])


def put_table(path: pathlib.Path, files: Files, translated: list[str]) -> None:
    """Write index.csv."""
    path.parent.mkdir(exist_ok=True)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([FIELDS, *zip(range(len(files)), files, translated, strict=True)])
    write_whole(path, out.getvalue().encode("utf-8", "surrogateescape"))


def name_of(row: int, path: str) -> str:
    """Return a translated picture's file name, such as 00012_cat.png."""
    return f"{row:05d}_{pathlib.PurePath(path).stem[:80]}.png"


def finish(folder: pathlib.Path, task: str, entries: dict[str, dict]) -> dict:
    """Write index.json; from then on `load_pairs` finds the pairs."""
    index = {"task": task, "split": "train", **entries}
    write_whole(folder / "index.json", json.dumps(index, indent=1) + "\n")
    return index


# ---- reading


def finished(folder: str | os.PathLike) -> dict | None:
    """Return the content of index.json, or None while pairs are incomplete."""
    path = pathlib.Path(folder, "index.json")
    return read_json(path, *DIRECTIONS) if path.is_file() else None


def load_pairs(folder: str | os.PathLike, direction: str, domain: Domain) -> Domain:
    """Load the translations of a domain's pictures, row by row, as a domain in the style of the other one.

    Args:
        folder: folder of the pairs.
        direction: "source_as_target", with the labels of `domain`, or "target_as_source", without labels.
        domain: the domain that was translated, task.streams["source"] or ["target"].
    """
    folder = pathlib.Path(folder)
    if direction not in DIRECTIONS:
        raise ValueError(f"direction {direction!r}: choose {' or '.join(DIRECTIONS)}")
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder of pairs; run/pair.py makes it")
    index = finished(folder)
    if index is None:
        raise FileNotFoundError(f"{folder} holds no finished pairs: index.json is missing; run/pair.py resumes there")
    about = index[direction]
    if lacking := {"domain", "count", "originals"} - {*about} if isinstance(about, dict) else {direction}:
        raise ValueError(f"{folder / 'index.json'} lacks {min(lacking)}: it is not as run/pair.py writes it")
    if about["originals"] != digest(domain.images):
        raise ValueError(
            f"{folder} holds pairs of task {index['task']}, and the {about['count']} pictures of {about['domain']} "
            f"translated there are not the {len(domain)} of {domain.name} here: run run/pair.py with another folder"
        )
    path = folder / pair_folder(direction, domain)
    if not path.is_file():
        raise _gone(folder, path)
    images = _listed(folder, path) if isinstance(domain.images, Files) else npz_file.read_array(path)
    if len(images) != len(domain) or (isinstance(images, np.ndarray) and not _pictures(images)):
        raise ValueError(
            f"{path} does not hold a picture for each of the {len(domain)} of {domain.name}: delete {folder}"
        )
    labels = domain.labels if direction == "source_as_target" else None
    name = f"{domain.name} as {index[other(direction)]['domain']}"
    return dataclasses.replace(domain, name=name, images=images, labels=labels)


def _pictures(images: np.ndarray) -> bool:
    return images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] == 3


def other(direction: str) -> str:
    """Return the opposite direction."""
    return DIRECTIONS[1 - DIRECTIONS.index(direction)]


def _listed(folder: pathlib.Path, table: pathlib.Path) -> Files:
    with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    if not all(row.get("translated") for row in rows):
        raise ValueError(f"{table} has a row without `translated`: it is not as run/pair.py writes it")
    paths = [os.path.join(folder, row["translated"]) for row in rows]
    if gone := next((path for path in paths if not os.path.isfile(path)), None):
        raise _gone(folder, gone)
    return Files(paths)


def _gone(folder: pathlib.Path, path: str | os.PathLike) -> FileNotFoundError:
    return FileNotFoundError(f"{path} is missing: delete {folder / 'index.json'} and run run/pair.py again")
