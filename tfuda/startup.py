"""Check the versions that the library needs, and import TensorFlow without its notices."""

from __future__ import annotations

import os
import sys
import warnings
from importlib import metadata

VERSION = "0.1.0"  # the library's own
NEEDED = {"tensorflow": (2, 18), "keras": (3, 10)}
PYTHON = (3, 11)

# Messages that Keras repeats at every step and that do not help the user of a command.
POINTLESS = ("Your input ran out of data", "The structure of `inputs`")


def number(version: str) -> tuple[int, ...]:
    """Parse the first two parts of a version: "2.18.1rc0" becomes (2, 18)."""
    return tuple(int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:2])


def check() -> None:
    """Raise ImportError with one sentence if the system, Python, TensorFlow or Keras is not supported."""
    if os.name != "posix":
        raise ImportError(
            "tfuda needs Linux or macOS, because it uses POSIX file locks: on Windows, run tfuda in WSL"
        )
    if sys.version_info < PYTHON:
        raise ImportError(f"tfuda needs Python 3.11 or later, this is {sys.version.split()[0]}")
    for package, needed in NEEDED.items():
        least = ".".join(map(str, needed))
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            # builds such as tensorflow-cpu have another name; the import will fail if there is none
            continue
        if number(found) < needed:
            raise ImportError(f"tfuda needs {package} {least} or later, found {found}: upgrade {package}")


def import_quietly() -> None:
    """Import TensorFlow and Keras with the C++ notices kept off stderr; Python's errors are still shown."""
    level = "3" if "TF_CONFIG" in os.environ else "2"  # tfuda.distributed.devices reports a lost worker in one line
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", level)
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise ImportError(f"tfuda needs Keras on TensorFlow: unset KERAS_BACKEND={os.environ['KERAS_BACKEND']}")
    if "tensorflow" in sys.modules:
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras
        import tensorflow as tf

        tf.config.list_physical_devices()  # CUDA reports here that there is no GPU
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    if keras.backend.backend() != "tensorflow":
        raise ImportError(f"tfuda needs Keras on TensorFlow, not on {keras.backend.backend()}: set KERAS_BACKEND")


def silence() -> None:
    """Filter warnings and log lines that do not help the user of a command."""
    import tensorflow as tf
    from absl import logging

    for message in POINTLESS:
        warnings.filterwarnings("ignore", message=message)
    logging.set_verbosity(logging.ERROR)
    tf.get_logger().setLevel("ERROR")


class MissingExtra(ImportError):
    """Signal that a package is not installed which only some commands need."""
