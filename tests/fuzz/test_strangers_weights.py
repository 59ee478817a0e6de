"""Weights of strangers: numbers, and no more than the file has."""

import json
import pickle
import struct
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
import torch_writer
from hypothesis import given
from hypothesis import strategies as st
from said import must_end, one_sentence, profile

from tfuda.networks import applications, hub, resnet
from tfuda.networks.weights import torch_file, torch_pickle


def nested(depth=60):
    """Tuples in tuples, each twice in the next: a few bytes, and 2^depth to look through."""
    return b"(K\x01t" + b"q\x00h\x00\x86" * depth


def pth(path, body):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", b"\x80\x02" + body + b".")


HANGS = {
    "key": b"}" + nested() + b"K\x01s",
    "keys": b"}(" + nested() + b"K\x01u",
    "set": b"\x8f(" + nested() + b"\x90",
    "frozenset": b"(" + nested() + b"\x91",
    "dict": b"(" + nested() + b"K\x01d",
    "ordered": b"ccollections\nOrderedDict\n](" + nested() + b"K\x01\x86e\x85R",
    "storage": b"(X\x07\x00\x00\x00storage" + nested() + b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ",
    "word": b"(" + nested() + b"X\x01\x00\x00\x000X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ",
}


@pytest.mark.parametrize("name", HANGS)
def test_a_pickle_of_weights_cannot_hang(name, tmp_path):
    pth(tmp_path / "a.pth", HANGS[name])
    with must_end(), pytest.raises(ValueError, match=r"a\.pth"):
        torch_file.read_tensors(str(tmp_path / "a.pth"))


RESERVES = {
    "bytearray": b"\x96" + (2**33).to_bytes(8, "little"),
    "bytes": b"\x8e" + (2**33).to_bytes(8, "little"),
    "frame": b"\x95" + (2**33).to_bytes(8, "little"),
    "text": b"X" + (2**31).to_bytes(4, "little"),
    "again": b"]("
    + b"K\x01K\x01\x86q\x01"
    + b"h\x01" * 1000
    + b"eq\x00"
    + b"ccollections\nOrderedDict\nh\x00\x85R" * 2000,
}


@pytest.mark.parametrize("name", RESERVES)
def test_a_small_file_of_weights_takes_little_memory(name, tmp_path):
    pth(tmp_path / "a.pth", RESERVES[name])
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"a\.pth"):
            torch_file.read_tensors(str(tmp_path / "a.pth"))
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


WRITTEN = {pickle.SETITEM, pickle.SETITEMS, *torch_pickle.OPCODES}
NAMES = {code: name for name, code in vars(pickle).items() if name.isupper() and isinstance(code, bytes)}


@pytest.mark.parametrize("code", [code for code in NAMES if len(code) == 1 and code not in WRITTEN], ids=NAMES.get)
def test_opcodes_that_pytorch_does_not_write_are_refused(code, tmp_path):
    pth(tmp_path / "a.pth", b"}](" + code + bytes(16))
    with pytest.raises(ValueError, match="has an opcode of pickle that PyTorch does not write"):
        torch_file.read_tensors(str(tmp_path / "a.pth"))


@pytest.mark.parametrize("what", [b"ctorch._utils\n_rebuild_tensor\n", b"ctorch\nSize\n", b"]"])
def test_a_state_is_given_to_what_has_one(what, tmp_path):
    pth(tmp_path / "a.pth", what + b"}X\x01\x00\x00\x00aK\x01sb")
    with pytest.raises(ValueError, match="sets the state of a"):
        torch_file.read_tensors(str(tmp_path / "a.pth"))


def test_an_entry_that_says_it_is_longer_than_the_file_takes_no_memory(tmp_path):
    pth(tmp_path / "a.pth", b"}")
    data = (tmp_path / "a.pth").read_bytes()
    at = data.index(b"PK\x01\x02") + 20  # its two sizes in the archive's table of contents
    (tmp_path / "a.pth").write_bytes(data[:at] + struct.pack("<II", 2**30, 2**30) + data[at + 8 :])
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"a/data\.pkl says that it is longer than the file"):
            torch_file.read_tensors(str(tmp_path / "a.pth"))
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_shape_of_nested_tuples_cannot_hang(tmp_path):
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + nested() + b")\x89Nt" + b"R"
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as file:
        file.writestr("a/data.pkl", b"\x80\x02}X\x01\x00\x00\x00x" + tensor + b"s.")
        file.writestr("a/data/0", bytes(4))
    with must_end(), pytest.raises(ValueError, match="not of whole numbers"):
        torch_file.read_tensors(str(tmp_path / "a.pth"))


def test_weights_do_not_grow_in_memory(tmp_path, monkeypatch):
    shared = torch_writer.Storage(np.zeros(1000, "u2"))  # bfloat16, which becomes a copy
    tree = {str(i): torch_writer.Tensor(None, 0, (1000,), (1,), shared) for i in range(200)}
    torch_writer.write_zip(tmp_path / "a.pth", torch_writer.state_dict(tree), monkeypatch)
    with pytest.raises(ValueError, match="repeat the same numbers"):
        torch_file.read_tensors(str(tmp_path / "a.pth"))


def test_storages_over_one_another_are_refused(tmp_path, monkeypatch):
    tree = {str(i): torch_writer.Tensor(np.zeros(1000, "f4")) for i in range(3)}
    torch_writer.write_zip(tmp_path / "a.pth", torch_writer.state_dict(tree), monkeypatch)
    with zipfile.ZipFile(tmp_path / "a.pth") as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    one = next(name for name in parts if name.endswith("data/0"))
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as file:
        for name, data in parts.items():
            if "/data/" not in name:
                file.writestr(name, data)
        file.writestr(one, parts[one])
        for key in "12":
            twin = zipfile.ZipInfo(one[:-1] + key)
            here = file.getinfo(one)
            for of in ("header_offset", "CRC", "compress_size", "file_size"):
                setattr(twin, of, getattr(here, of))
            file.filelist.append(twin)
    with pytest.raises(ValueError, match=r"b\.pth"):
        torch_file.read_tensors(str(tmp_path / "b.pth"))


@profile(60)
def test_any_damage_of_weights_is_one_sentence(amount, tmp_path, monkeypatch):
    torch_writer.write_zip(tmp_path / "a.pth", {"x": torch_writer.Tensor(np.arange(6.0))}, monkeypatch)
    plain = (tmp_path / "a.pth").read_bytes()

    @amount
    @given(st.lists(st.tuples(st.integers(0, len(plain) - 1), st.integers(0, 255)), min_size=1, max_size=5))
    def look(changes):
        data = bytearray(plain)
        for place, value in changes:
            data[place] = value
        (tmp_path / "a.pth").write_bytes(data)
        with one_sentence():
            torch_file.read_tensors(str(tmp_path / "a.pth"))

    look()


def h5(path, kind):
    with h5py.File(path, "w") as file:
        if kind == "elsewhere":
            file["x"] = h5py.ExternalLink("other.h5", "/x")
        elif kind == "soft":
            file["x"] = h5py.SoftLink("/y")
        elif kind == "external":
            file.create_dataset("x", (4,), "u1", external=[("/etc/passwd", 0, 4)])
        elif kind == "bomb":
            file.create_dataset("x", (2**40,), "f4", chunks=(1024,), compression="gzip")
        elif kind == "loop":
            file.create_group("x")["y"] = file["/"]
        elif kind == "text":
            file.create_dataset("x", data=["a"], dtype=h5py.string_dtype())


@pytest.mark.parametrize("kind", ["elsewhere", "soft", "external", "bomb", "loop", "text"])
def test_hdf5_files_have_their_own_numbers_and_no_more(kind, tmp_path):
    path = str(tmp_path / "a.weights.h5")
    h5(path, kind)
    with pytest.raises(ValueError, match=r"a\.weights\.h5"):
        resnet.tensors_of(path)

    class Backbone:
        weights = [1]

    with pytest.raises(ValueError, match=r"a\.weights\.h5"):
        applications.load_weights(Backbone(), path, "ResNet50")


def test_a_preset_names_code_of_keras_alone(tmp_path):
    good = {"module": "keras_hub.src.models", "class_name": "ResNetBackbone", "registered_name": "keras_hub>ResNet"}
    (tmp_path / "config.json").write_text(json.dumps({**good, "config": {"layers": [good, {"module": None}]}}))
    hub.check_preset(str(tmp_path))
    for evil in ({"module": "os"}, {"class_name": "Lambda"}, {"registered_name": "mine>Layer"}):
        (tmp_path / "config.json").write_text(json.dumps({**good, "config": {"layers": [{**good, **evil}]}}))
        with pytest.raises(ValueError, match="names code of others"):
            hub.check_preset(str(tmp_path))
