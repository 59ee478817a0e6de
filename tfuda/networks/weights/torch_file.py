"""Read the tensors of a PyTorch file without PyTorch, and without running anything that the file says.

A `.pth` is a pickle that names tensors, and beside it the numbers of their storages. There are three ages of it:

- zip (since 1.6): `NAME/data.pkl`, `NAME/data/KEY` for each storage, `NAME/byteorder`
- pickles (0.1.10 to 1.5, and `_use_new_zipfile_serialization=False`): magic number, version, sys_info, the object,
  the keys of the storages; then for each key an int64, its size, and the numbers
- tar (before 0.1.10; resnet18-5c106cde, resnet34-333f7ec4 and resnet50-19c8e357 are such): `storages`, `tensors`
  and `pickle`

The pickle itself is tfuda/networks/weights/torch_pickle.py's. A tensor becomes an array after it has been held
against what the file has.
"""

from __future__ import annotations

import io
import math
import struct
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from tfuda.networks.weights.torch_pickle import BFLOAT16, DTYPES, Parameter, Refused, Storage, Tensor, Unpickler, word

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001


def read_tensors(path: str) -> dict[str, np.ndarray]:
    """Return the state dict of a file: name -> array of any shape, read-only.

    bfloat16 comes as float32. A dict {"state_dict": ...} is opened; the prefix "module." of DataParallel is left out.

    Args:
        path: the file.

    Raises:
        ValueError: the file is damaged, or holds something else than tensors.
    """
    with open(path, "rb") as file:
        try:
            return arrays(*content(file))
        except Refused as error:
            raise ValueError(f"cannot read {path}: {error}") from None
        except Exception as error:  # damaged bytes can raise about anything inside a pickle, a zip or a tar
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"cannot read {path}: it is damaged or no PyTorch file ({reason})") from None


def content(file: BinaryIO) -> tuple[Any, Mapping[Any, bytes], str]:
    """Read a file of any of the three ages.

    Args:
        file: the open file.

    Returns:
        The object with Tensors in it, the bytes of every storage, and their byte order, "<" or ">".
    """
    head = file.read(512)
    file.seek(0)
    if head.startswith(b"PK\x03\x04"):
        return from_zip(file)
    if head[257:262] == b"ustar":
        return from_tar(file.read())
    if head.startswith(b"\x80"):
        return from_pickles(io.BytesIO(file.read()))
    raise Refused("it is no PyTorch file")


def from_zip(file: BinaryIO):
    """Return `content` of a zip file."""
    size = file.seek(0, io.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        found = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(found) != 1:
            raise Refused("it is a zip archive without the data.pkl of a PyTorch file")
        root = found[0].removesuffix("data.pkl")

        def entry(name: str) -> bytes:
            info = archive.getinfo(root + name)
            if info.compress_type != zipfile.ZIP_STORED:
                raise Refused(f"{info.filename} is compressed, which PyTorch never does")
            if max(info.file_size, info.compress_size) > size:  # zipfile reserves what an entry announces
                raise Refused(f"{info.filename} says that it is longer than the file")
            return archive.read(info)

        big = f"{root}byteorder" in archive.namelist() and entry("byteorder") == b"big"
        unpickler = Unpickler(io.BytesIO(entry("data.pkl")))
        tree = unpickler.load()
        sizes = [archive.getinfo(f"{root}data/{key}").file_size for key in unpickler.storages]
        if sum(sizes) > size:
            raise Refused("its storages overlap")
        blocks = {key: entry(f"data/{key}") for key in unpickler.storages}
    for storage in unpickler.storages.values():
        if len(blocks[storage.key]) != storage.length * storage.width():
            raise Refused(f"storage {storage.key} has {len(blocks[storage.key])} bytes, not {storage.length} numbers")
    return tree, blocks, ">" if big else "<"


def from_pickles(file: BinaryIO):
    """Return `content` of a file of pickles."""
    if Unpickler(file).load() != MAGIC:
        raise Refused("it is a pickle, but no PyTorch file")
    if (version := Unpickler(file).load()) != VERSION:
        said = version if type(version) is int else type(version).__name__
        raise Refused(f"version {said} of the format is unknown")
    Unpickler(file).load()  # sys_info; the numbers are little-endian whatever it says
    unpickler = Unpickler(file)
    tree = unpickler.load()
    blocks = {}
    for key in Unpickler(file).load():
        storage = unpickler.storages[word(key)]
        blocks[key], count = block(file, storage.width())
        if count != storage.length:
            raise Refused(f"storage {key} has {count} numbers, not {storage.length}")
    return tree, blocks, "<"


def from_tar(whole: bytes):
    """Return `content` of the bytes of a tar file."""
    with tarfile.open(fileobj=io.BytesIO(whole), mode="r:") as archive:
        members = {name: archive.getmember(name) for name in ("storages", "tensors", "pickle")}
    # a slice of what is there, so that a sparse member cannot swell
    parts = {name: io.BytesIO(whole[at.offset_data :][: at.size]) for name, at in members.items()}
    storages, blocks, tensors = {}, {}, {}
    file = parts["storages"]
    for _ in range(Unpickler(file).load()):
        key, _, kind = Unpickler(file).load()
        blocks[word(key)], count = block(file, Storage(word(kind), key, 0, 0).width())
        storages[key] = Storage(kind, key, 0, count)
    for key, root, start, count in Unpickler(file).load():
        storages[word(key)] = storages[word(root)]._replace(start=start, length=count)
    file = parts["tensors"]
    for _ in range(Unpickler(file).load()):
        key, storage, _ = Unpickler(file).load()
        rank = struct.unpack("<i4x", file.read(8))[0]
        *numbers, offset = struct.unpack(f"<{2 * rank + 1}q", file.read(16 * rank + 8))
        tensors[word(key)] = Tensor(storages[word(storage)], offset, tuple(numbers[:rank]), tuple(numbers[rank:]))
    return Unpickler(parts["pickle"], lambda key: tensors[int(key)]).load(), blocks, "<"


def block(file: BinaryIO, width: int) -> tuple[bytes, int]:
    """Read a storage of numbers.

    Args:
        file: the file, at the storage's count.
        width: bytes of a number.

    Returns:
        The storage's bytes, and its count of numbers.
    """
    count = struct.unpack("<q", file.read(8))[0]
    found = file.read(count * width) if count > 0 else b""
    if count < 0 or len(found) != count * width:
        raise Refused("it ends in the middle of a storage")
    return found, count


def arrays(tree: Any, blocks: Mapping[Any, bytes], order: str) -> dict[str, np.ndarray]:
    """Return the tensors of a state dict as arrays.

    Args:
        tree: the object of the file.
        blocks: the bytes of every storage.
        order: their byte order, "<" or ">".
    """
    if isinstance(tree, dict) and isinstance(tree.get("state_dict"), dict):
        tree = tree["state_dict"]
    if not isinstance(tree, dict):
        raise Refused(f"it holds no state dict but a {type(tree).__name__}")
    found, numbers = {}, 0
    for name, value in tree.items():
        value = value.data if isinstance(value, Parameter) else value
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            said = repr(name)[:80] if isinstance(name, str) else f"of a {type(name).__name__}"
            raise Refused(f"its entry {said} is no tensor, so it is no state dict")
        found[name] = array(name, value, blocks, order)
        numbers += found[name].size
        if numbers > 2 * sum(map(len, blocks.values())) + 1:  # weights may be tied, and so be there twice
            raise Refused("its tensors repeat the same numbers more often than weights do")
    if found and all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): value for name, value in found.items()}
    return found


def array(name: str, tensor: Tensor, blocks: Mapping[Any, bytes], order: str) -> np.ndarray:
    """Return the numbers of a tensor, in its shape.

    Args:
        name: its name, for the error's sentence.
        tensor: the note of its storage, offset, shape and strides.
        blocks: the bytes of every storage.
        order: their byte order, "<" or ">".
    """
    storage, offset, shape, stride = tensor
    whole = np.frombuffer(blocks[storage.key], np.dtype(order + DTYPES[storage.kind]))
    numbers = (storage.start, storage.length, offset, *shape, *stride)
    if any(type(n) is not int for n in numbers):
        raise Refused(f"tensor {name!r} has a shape that is not of whole numbers")
    if len(shape) != len(stride) or min(numbers) < 0:
        raise Refused(f"tensor {name!r} has shape {shape} and strides {stride}"[:300])
    size, last = math.prod(shape), offset + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
    # a tensor of more numbers than its storage (stride 0) is no weight, and could be made as large as one likes
    if storage.start + storage.length > len(whole) or size > storage.length or (size and last >= storage.length):
        raise Refused(f"tensor {name!r} reaches beyond its storage")
    start = storage.start + (offset if size else 0)
    steps = [step * storage.width() for step in stride] if size else None
    found = np.lib.stride_tricks.as_strided(whole[start:], shape, steps, writeable=False)
    if storage.kind == BFLOAT16:
        return np.asarray((found.astype(np.uint32) << 16).view(np.float32))
    native = (order == "<") == (sys.byteorder == "little")
    return found if native else found.astype(found.dtype.newbyteorder("="))
