"""Files as PyTorch writes them, without PyTorch: stand-ins for what its pickles name."""

import collections
import contextlib
import io
import pickle
import struct
import sys
import tarfile
import types
import zipfile

import numpy as np

NAMES = {"f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int", "i2": "Short", "i1": "Char"}
NAMES |= {"u1": "Byte", "b1": "Bool", "u2": "BFloat16"}


class Storage:
    """A block of numbers; `kind` is the name of its type in torch."""

    def __init__(self, numbers):
        self.numbers = np.ascontiguousarray(numbers).reshape(-1)
        self.kind = NAMES[self.numbers.dtype.str[1:]] + "Storage"


class Tensor:
    """An array as a tensor; or any offset, shape and strides over a storage."""

    def __init__(self, numbers, offset=0, shape=None, stride=None, storage=None):
        self.storage = storage or Storage(numbers)
        shape = np.shape(numbers) if shape is None else shape
        steps = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))] if stride is None else stride
        self.place = (offset, tuple(shape), tuple(steps))

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (self.storage, *self.place, False, collections.OrderedDict())


class Parameter(Tensor):
    """A tensor inside a torch.nn.Parameter."""

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_parameter
        tensor = Tensor(None, *self.place, storage=self.storage)
        return rebuild, (tensor, True, collections.OrderedDict())


def state_dict(arrays):
    """An OrderedDict with the attribute that PyTorch's own have."""
    made = collections.OrderedDict(arrays)
    made._metadata = collections.OrderedDict({"": {"version": 1}})
    return made


@contextlib.contextmanager
def stand_ins(monkeypatch):
    """Modules torch and torch._utils that hold the names a pickle of tensors needs."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        function = types.FunctionType((lambda *_: None).__code__, {}, name)
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(utils, name, function)
    for name in NAMES.values():
        setattr(torch, f"{name}Storage", type(f"{name}Storage", (), {"__module__": "torch"}))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch", torch)
        patch.setitem(sys.modules, "torch._utils", utils)
        yield torch


def pickled(tree, torch, *more):
    """The pickle of a tree of tensors, and its storages by key; more: what stands behind an id's numbers."""
    storages = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if not isinstance(thing, Storage):
                return None
            key = next((key for key, known in storages.items() if known is thing), str(len(storages)))
            storages[key] = thing
            return ("storage", getattr(torch, thing.kind), key, "cpu", len(thing.numbers), *more)

    file = io.BytesIO()
    Pickler(file, 2).dump(tree)
    return file.getvalue(), storages


def write_zip(path, tree, monkeypatch, big=False):
    with stand_ins(monkeypatch) as torch:
        text, storages = pickled(tree, torch)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", text)
        file.writestr("archive/byteorder", "big" if big else "little")
        for key, storage in storages.items():
            numbers = storage.numbers.astype(storage.numbers.dtype.newbyteorder(">" if big else "<"))
            file.writestr(f"archive/data/{key}", numbers.tobytes())
        file.writestr("archive/version", "3\n")


def write_pickles(path, tree, monkeypatch, magic=0x1950A86A20F9469CFC6C, version=1001):
    with stand_ins(monkeypatch) as torch:
        text, storages = pickled(tree, torch, None)
    info = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    with open(path, "wb") as file:
        for part in (magic, version, info):
            pickle.dump(part, file, 2)
        file.write(text)
        pickle.dump(sorted(storages), file, 2)
        for key in sorted(storages):
            numbers = storages[key].numbers
            file.write(struct.pack("<q", len(numbers)) + numbers.tobytes())


def write_tar(path, tensors, monkeypatch):
    """tensors: name -> Tensor; every tensor's numbers lie in a view of one half of a storage twice as long."""
    storages, places = io.BytesIO(), io.BytesIO()
    with stand_ins(monkeypatch) as torch:
        pickle.dump(len(tensors), storages, 2)
        for i, tensor in enumerate(tensors.values()):
            numbers = np.concatenate([tensor.storage.numbers] * 2)
            pickle.dump((i, "cpu", getattr(torch, tensor.storage.kind)), storages, 2)
            storages.write(struct.pack("<q", len(numbers)) + numbers.tobytes())
        views = [(100 + i, i, len(t.storage.numbers), len(t.storage.numbers)) for i, t in enumerate(tensors.values())]
        pickle.dump(views, storages, 2)
        pickle.dump(len(tensors), places, 2)
        for i, tensor in enumerate(tensors.values()):
            offset, shape, stride = tensor.place
            pickle.dump((200 + i, 100 + i, getattr(torch, tensor.storage.kind)), places, 2)
            places.write(struct.pack(f"<i4x{2 * len(shape) + 1}q", len(shape), *shape, *stride, offset))

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            return str(200 + list(tensors.values()).index(thing)) if isinstance(thing, Tensor) else None

    tree = io.BytesIO()
    Pickler(tree, 2).dump(state_dict(tensors))
    with tarfile.open(path, "w:", format=tarfile.PAX_FORMAT) as archive:
        for name, file in (("storages", storages), ("tensors", places), ("pickle", tree)):
            info = tarfile.TarInfo(name)
            info.size = len(file.getvalue())
            archive.addfile(info, io.BytesIO(file.getvalue()))


WRITERS = {"zip": write_zip, "pickles": write_pickles, "tar": write_tar}
