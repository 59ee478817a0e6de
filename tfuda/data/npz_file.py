"""Read arrays of .npy and .npz files from untrusted sources: numbers only, and no more than requested."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable

import numpy as np


def read_arrays(path: str | os.PathLike, names: Iterable[str], most: int) -> dict[str, np.ndarray]:
    """Read some arrays of a .npz file.

    Args:
        path: the file.
        names: names of the arrays.
        most: largest size of each array in bytes.

    Raises:
        ValueError: if the file is not a .npz file, or lacks one of the arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                if (size := archive.getinfo(f"{name}.npy").file_size) > most:
                    raise ValueError(f"{name} says that it has {size} bytes, more than {most}")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:  # damaged bytes can raise almost anything in zipfile and NumPy
        raise ValueError(f"{path} is no .npz file of {', '.join(names)}, or damaged ({_said(error)})") from None


def read_array(path: str | os.PathLike) -> np.ndarray:
    """Read the array of a .npy file, which cannot hold more numbers than the file has bytes."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)[...].copy()
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(f"{path} is no .npy file of numbers, or damaged ({_said(error)})") from None


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
