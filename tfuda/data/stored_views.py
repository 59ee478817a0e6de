"""Keep what frozen stages make of pictures, on disk: every picture has V + 1 views, of which 0 is evaluation's.

    FOLDER/0f3a….npy    float16 [n, V + 1, h, w, C], of at most ROWS pictures, mapped into memory where it is read
    FOLDER/0f3a….txt    the n names of these pictures, one in each line

A file appears whole, its names first and its numbers last, so a kill leaves only whole files. A file's name follows
from its pictures: two processes that compute the same pictures write the same file twice.
"""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from tfuda.atomic_files import open_whole, write_whole

ROWS = 512  # pictures in a file


class Store:
    """Find the views of pictures in a folder, and add those of further pictures.

    Args:
        folder: the folder, made if it is not there.
        item: shape of one view, (h, w, C).
        views: V.
        dtype: "float16", "float32" or "uint8" in the files.
    """

    def __init__(self, folder: pathlib.Path, item: Sequence[int], views: int, dtype: str = "float16"):
        self.folder, self.item, self.views, self.dtype = folder, tuple(item), views, np.dtype(dtype)
        self.arrays: list[np.ndarray] = []  # [n, V + 1, h, w, C] each
        self.places: dict[str, tuple[int, int]] = {}  # of a picture's name: array, row
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.npy")):
            self._open(path)

    def _open(self, path: pathlib.Path) -> None:
        names = path.with_suffix(".txt").read_text("utf-8").split()
        try:
            found = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError):
            found = np.empty([0])
        if found.shape != (len(names), self.views + 1, *self.item) or found.dtype != self.dtype:
            raise ValueError(f"{path} is damaged: delete it, and its views are computed again")
        self.places |= {name: (len(self.arrays), row) for row, name in enumerate(names)}
        self.arrays.append(found)

    @property
    def bytes_each(self) -> int:
        """Return the bytes that one picture takes."""
        return (self.views + 1) * int(np.prod(self.item)) * self.dtype.itemsize

    def missing(self, names: Iterable[str]) -> list[int]:
        """Return the positions of the names without views, each name once."""
        found = {name: at for at, name in reversed([*enumerate(names)]) if name not in self.places}
        return sorted(found.values())

    def add(self, names: Sequence[str], values: Iterable[np.ndarray]) -> None:
        """Add the views of pictures, [n, V + 1, h, w, C] in parts along the first axis."""
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:24]
        path = self.folder / f"{digest}.npy"
        write_whole(path.with_suffix(".txt"), "\n".join(names) + "\n")
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False}
        with open_whole(path) as file:
            shape = (len(names), self.views + 1, *self.item)
            np.lib.format.write_array_header_1_0(file, {**header, "shape": shape})
            for part in values:
                file.write(np.ascontiguousarray(part, self.dtype).tobytes())
        self._open(path)

    def images(self, names: Sequence[str]) -> StoredViews:
        """Return the views of pictures by their names."""
        return StoredViews(self, np.array([self.places[name] for name in names], np.int64).reshape(-1, 2))


class StoredViews:
    """Hold the views of N pictures in place of their files or pixels: Domain.images of a run on frozen stages.

    Attributes:
        store: where the views are.
        places: array and row of each picture, int64 [N, 2].
    """

    def __init__(self, store: Store, places: np.ndarray):
        self.store, self.places = store, places

    @property
    def kind(self) -> str:
        """Return the type of numbers that a step gets."""
        return "uint8" if self.store.dtype == np.uint8 else "float32"

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, rows) -> StoredViews:
        return StoredViews(self.store, self.places[rows])

    def take(self, rows: np.ndarray, views: np.ndarray) -> np.ndarray:
        """Return one view of each of some pictures, from rows [B] and views [B]: float32 (or uint8) [B, h, w, C]."""
        arrays, places = self.store.arrays, self.places[rows]
        found = np.stack([arrays[at][row, view] for (at, row), view in zip(places, views, strict=True)])
        return found.astype(self.kind)  # here, because TensorFlow warns about half precision on some CPUs

    def taken(self, rows: tf.Tensor, views: tf.Tensor) -> tf.Tensor:
        """Return `take` within a graph: [B, h, w, C] for rows [B] and views [B]."""
        found = tf.numpy_function(self.take, [rows, views], self.kind, stateful=False)
        return tf.ensure_shape(found, [*rows.shape, *self.store.item])

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yield evaluation's view of the pictures in order: [<= size, 1, h, w, C]."""
        for first in range(0, len(self), size):
            rows = np.arange(first, min(first + size, len(self)))
            yield self.take(rows, np.zeros_like(rows))[:, None]


def fill(store: Store, names: Sequence[str], compute: Callable[[Sequence[int]], Iterable[np.ndarray]]) -> None:
    """Add the views that a store lacks, file by file.

    Args:
        store: the store.
        names: name of each picture, the same for equal pictures.
        compute: positions of pictures -> their views [n, V + 1, h, w, C], in parts along the first axis.
    """
    missing = store.missing(names)
    for first in range(0, len(missing), ROWS):
        part = missing[first : first + ROWS]
        store.add([names[at] for at in part], compute(part))
