"""Weights in HDF5 files that may be anybody's: numbers of the file itself, and no more than it has bytes for."""

from __future__ import annotations

import os

import h5py


def read_tensors(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return the data sets of a file by name, unread.

    Raises:
        ValueError: the file has links, numbers in another file, or a data set larger than itself.
    """
    found: dict[str, h5py.Dataset] = {}
    size = os.path.getsize(file.filename)

    def visit(group: h5py.Group) -> None:
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{group.name} holds the link {name!r}, and weights are no links")
            item = group[name]
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ValueError(f"{item.name} has its numbers in another file")
                if item.nbytes > size or item.dtype.hasobject:
                    raise ValueError(f"{item.name} says that it has {item.nbytes} bytes, and the file has {size}")
                found[item.name.removeprefix("/")] = item
            elif item in seen:
                raise ValueError(f"{item.name} contains itself")
            else:
                seen.append(item)
                visit(item)

    seen = [file["/"]]
    visit(file["/"])
    return found
