"""Read the pickle in a PyTorch file without running any code that the pickle names.

A pickle can call whatever can be imported. Here it can name only what weights need (`Unpickler.find_class`), and
nothing of PyTorch is behind the names: a tensor is a note of storage, offset, shape and strides.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np

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


# What PyTorch writes, in all three formats and from Python 2 as well; of these none reserves what it announces
OPCODES = (
    *(pickle.PROTO, pickle.STOP, pickle.MARK, pickle.GLOBAL, pickle.REDUCE, pickle.BUILD, pickle.BINPERSID),
    *(pickle.BINPUT, pickle.LONG_BINPUT, pickle.BINGET, pickle.LONG_BINGET, pickle.NONE, pickle.NEWTRUE),
    *(pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2, pickle.LONG1, pickle.BINFLOAT),
    *(pickle.BINUNICODE, pickle.SHORT_BINSTRING, pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3),
    *(pickle.TUPLE, pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS, pickle.EMPTY_DICT),
)


class Refused(ValueError):
    """Say what is wrong with the file, to follow on its name."""


class Storage(NamedTuple):
    """`length` numbers from `start` on, in the block of numbers that the file has under `key`."""

    kind: str
    key: Any
    start: int
    length: int

    def width(self) -> int:
        """Return the bytes of a number."""
        return np.dtype(DTYPES[self.kind]).itemsize


class Tensor(NamedTuple):
    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def word(key: Any) -> Any:
    """Return a key of a dict, and refuse what is no word: sixty tuples, each twice in the next, hash for ever."""
    if not isinstance(key, str | int):
        raise Refused(f"a name in it is a {type(key).__name__} and no string")
    return key


class Dict(dict):
    """Hold an OrderedDict; PyTorch gives it an attribute `_metadata`, which is of no use here."""

    def __init__(self, pairs=()):
        super().__init__((word(key), value) for key, value in pairs)

    def __setstate__(self, state):
        pass


class Parameter:
    """Hold a torch.nn.Parameter, which the state dicts of the first year have in place of tensors."""

    __slots__ = ("data",)

    def __init__(self, data=None, *more):
        self.data = data

    def __setstate__(self, state):
        if len(state) > 3:  # (data, gradient, ...); of later ones (requires_grad, volatile, hooks)
            self.data = state[0]


# The C unpickler, pickle.Unpickler, reserves what a file tells it to, and its opcodes cannot be replaced. Python's
# own reserves what it needs and reads no byte ahead, but has only a private name. Tried with Python 3.11, 3.12, 3.13.
PythonUnpickler = pickle._Unpickler


class Unpickler(PythonUnpickler):
    """Read a pickle of tensors, and refuse every other name.

    Args:
        file: the file, at the pickle.
        persistent: what an id of the pickle stands for; the storages of a zip or pickles file where not given.
    """

    def __init__(self, file: BinaryIO, persistent: Callable[[Any], Any] | None = None):
        super().__init__(file, encoding="utf-8")
        here = file.tell()
        self.left = file.seek(0, 2) - here  # entries that calls may still copy
        file.seek(here)
        self.stack: list = []
        self.persistent = persistent
        self.storages: dict[str, Storage] = {}

    def load_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        self.fill([key, value])

    def load_setitems(self):
        self.fill(self.pop_mark())  # type: ignore[attr-defined]

    def fill(self, items: list) -> None:
        """Fill the dict on the stack with [key, value, key, value ...]."""
        if not isinstance(self.stack[-1], dict):
            raise Refused(f"it adds entries to a {type(self.stack[-1]).__name__}, which is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][word(key)] = value

    def load_reduce(self):
        """Perform a call, which may copy what it is given: in all no more entries than the file has bytes."""
        self.left -= sum(len(given) for given in self.stack[-1] if isinstance(given, list | tuple | dict | str))
        if self.left < 0:
            raise Refused("it copies more entries than it has bytes")
        super().load_reduce()  # type: ignore[misc]

    def load_build(self):
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Dict | Parameter):
            raise Refused(f"it sets the state of a {type(self.stack[-1]).__name__}, which is no OrderedDict")
        self.stack[-1].__setstate__(state)

    def load_other(self):
        raise Refused("it has an opcode of pickle that PyTorch does not write")

    dispatch: dict[int, Any] = {  # type: ignore[assignment, misc]
        **dict.fromkeys(range(256), load_other),
        **{code[0]: PythonUnpickler.dispatch[code[0]] for code in OPCODES},
        pickle.REDUCE[0]: load_reduce,
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: load_setitem,  # type: ignore[dict-item]
        pickle.SETITEMS[0]: load_setitems,  # type: ignore[dict-item]
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
            raise Refused("a storage's length is no whole number")
        self.storages[key] = Storage(kind, key, 0, count)
        if view and view[0]:
            _, start, part = view[0]
            return Storage(kind, key, start, part)
        return self.storages[key]
