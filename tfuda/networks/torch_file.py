"""Reads the tensors of a PyTorch file without PyTorch, and without running anything that the file says.

A `.pth` is a pickle that names tensors, and beside it the numbers of their storages. There are three ages of it:

- zip (since 1.6): `NAME/data.pkl`, `NAME/data/KEY` for each storage, `NAME/byteorder`
- pickles (0.1.10 to 1.5, and `_use_new_zipfile_serialization=False`): magic number, version, sys_info, the object,
  the keys of the storages; then for each key an int64, its size, and the numbers
- tar (before 0.1.10; resnet18-5c106cde, resnet34-333f7ec4 and resnet50-19c8e357 are such): `storages`, `tensors`
  and `pickle`

A pickle can call whatever can be imported. Here it can name only what weights need (`Unpickler.find_class`), and
nothing of PyTorch is behind the names: a tensor is first a note of storage, offset, shape and strides, and becomes
an array after it has been held against what the file has.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, NamedTuple

import numpy as np

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
BFLOAT16 = "BFloat16Storage"  # NumPy has none; its bits are the upper half of a float32
DTYPES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    BFLOAT16: "u2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "UntypedStorage": "u1",
}


HASHING = (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.DICT)


class Refused(ValueError):
    """What is wrong with the file, to follow on its name."""


class Storage(NamedTuple):
    """`length` numbers from `start` on, in the block of numbers that the file has under `key`."""

    kind: str
    key: Any
    start: int
    length: int

    def width(self) -> int:
        """Bytes of a number."""
        return np.dtype(DTYPES[self.kind]).itemsize


class Tensor(NamedTuple):
    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def word(key: Any) -> str | int:
    """A key of a dict as weights have it. A few tuples in one another, each twice in the next, are for ever hashed."""
    if not isinstance(key, str | int):
        raise Refused(f"a name that is a {type(key).__name__}, and no word")
    return key


class Dict(dict):
    """An OrderedDict; PyTorch gives it an attribute `_metadata`, which is of no use here."""

    def __init__(self, pairs=()):
        super().__init__((word(key), value) for key, value in pairs)

    def __setstate__(self, state):
        pass


class Parameter:
    """torch.nn.Parameter, which the state dicts of the first year hold in place of tensors."""

    __slots__ = ("data",)

    def __init__(self, data=None, *more):
        self.data = data

    def __setstate__(self, state):
        if len(state) > 3:  # (data, gradient, ...); of later ones (requires_grad, volatile, hooks)
            self.data = state[0]


# The C unpickler reserves what a file tells it to; Python's own reserves what it needs, and reads no byte ahead.
class Unpickler(pickle._Unpickler):
    """persistent: what an id of the pickle stands for; the storages of a zip or pickles file where not given."""

    def __init__(self, file: BinaryIO, persistent: Callable[[Any], Any] | None = None):
        super().__init__(file, encoding="utf-8")
        self.persistent = persistent
        self.storages: dict[str, Storage] = {}

    def load_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()  # type: ignore[has-type]
        self.fill([key, value])

    def load_setitems(self):
        self.fill(self.pop_mark())

    def fill(self, items: list) -> None:
        """The dict on the stack with [key, value, key, value ...]."""
        if not isinstance(self.stack[-1], dict):
            raise Refused(f"entries for a {type(self.stack[-1]).__name__}, and no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][word(key)] = value

    # without sets, and dicts in one go, which hash anything
    dispatch = {
        **{code: load for code, load in pickle._Unpickler.dispatch.items() if bytes([code]) not in HASHING},
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
    }

    def find_class(self, module: str, name: str):
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): Dict,
            ("torch", "Size"): tuple,
            ("torch._utils", "_rebuild_tensor"): self.tensor,
            ("torch._utils", "_rebuild_tensor_v2"): self.tensor,
            ("torch._utils", "_rebuild_parameter"): Parameter,
            ("torch.nn.parameter", "Parameter"): Parameter,
        }
        if (module, name) in known:
            return known[module, name]
        typed = name in DTYPES or name.replace("Tensor", "Storage") in DTYPES
        if module in ("torch", "torch.cuda", "torch.storage") and typed:
            return name
        module = module.replace("__builtin__", "builtins")  # as Python 2, and so protocol 2, calls it
        raise Refused(f"refused to load {module}.{name}: only tensors are read from a PyTorch file")

    def tensor(self, storage, offset, shape, stride, *more) -> Tensor:
        if not isinstance(storage, Storage):
            raise Refused("a tensor without a storage")
        return Tensor(storage, offset, tuple(shape), tuple(stride))

    def persistent_load(self, id):
        if self.persistent:
            return self.persistent(id)
        what, kind, key, _, count, *view = id
        if not all(isinstance(part, str) for part in (what, kind, key)) or what != "storage" or kind not in DTYPES:
            said = " ".join(str(part)[:80] for part in (what, kind) if isinstance(part, str))
            raise Refused(f"refused to load {said}: only tensors are read from a PyTorch file")
        if type(count) is not int:
            raise Refused("a storage of no certain length")
        self.storages[key] = Storage(kind, key, 0, count)
        if view and view[0]:
            _, start, part = view[0]
            return Storage(kind, key, start, part)
        return self.storages[key]


def read(path: str) -> dict[str, np.ndarray]:
    """The state dict of a file: name -> array (any shape), read-only; bfloat16 comes as float32.

    A dict {"state_dict": ...} is opened, and the prefix "module." of DataParallel taken off.
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
    """The object with Tensors in it, the bytes of every storage, and their byte order."""
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
    with zipfile.ZipFile(file) as archive:
        found = [name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl"]
        if len(found) != 1:
            raise Refused("it is a zip archive without the data.pkl of a PyTorch file")
        root = found[0].removesuffix("data.pkl")

        def entry(name: str) -> bytes:
            info = archive.getinfo(root + name)
            if info.compress_type != zipfile.ZIP_STORED:
                raise Refused(f"{info.filename} is compressed, which PyTorch never does")
            return archive.read(info)

        big = f"{root}byteorder" in archive.namelist() and entry("byteorder") == b"big"
        unpickler = Unpickler(io.BytesIO(entry("data.pkl")))
        tree = unpickler.load()
        sizes = [archive.getinfo(f"{root}data/{key}").file_size for key in unpickler.storages]
        if sum(sizes) > file.seek(0, io.SEEK_END):
            raise Refused("its storages lie over one another")
        blocks = {key: entry(f"data/{key}") for key in unpickler.storages}
    for storage in unpickler.storages.values():
        if len(blocks[storage.key]) != storage.length * storage.width():
            raise Refused(f"storage {storage.key} has {len(blocks[storage.key])} bytes, not {storage.length} numbers")
    return tree, blocks, ">" if big else "<"


def from_pickles(file: BinaryIO):
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
    """A storage of numbers of `width` bytes: its bytes, and how many numbers they are."""
    count = struct.unpack("<q", file.read(8))[0]
    found = file.read(count * width) if count > 0 else b""
    if count < 0 or len(found) != count * width:
        raise Refused("it ends in the middle of a storage")
    return found, count


def arrays(tree: Any, blocks: Mapping[Any, bytes], order: str) -> dict[str, np.ndarray]:
    """The tensors of a state dict as arrays."""
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
            raise Refused("its tensors are the same numbers again and again")
    if found and all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): value for name, value in found.items()}
    return found


def array(name: str, tensor: Tensor, blocks: Mapping[Any, bytes], order: str) -> np.ndarray:
    """The numbers of a tensor, in its shape."""
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
