"""PyTorch's files without PyTorch: what is read, and what is refused."""

import collections
import pickle
import zipfile

import numpy as np
import pytest
from torch_writer import WRITERS, Parameter, Storage, Tensor, state_dict, write_pickles, write_zip

from tfuda.networks.weights import torch_file, torch_pickle

KINDS = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?"]


def some():
    """name -> array of every type, one of them a number alone and one without numbers."""
    rng = np.random.default_rng(0)
    arrays = {f"of.{kind}": (10 * rng.normal(size=(2, 3))).astype(kind) for kind in KINDS}
    return {**arrays, "scalar": np.array(7), "empty": np.zeros((0, 3), "f4"), "kernel": rng.normal(size=(4, 3, 2, 2))}


def same(found, wanted):
    assert list(found) == list(wanted)
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype and found[name].shape == value.shape, name
        np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("age", WRITERS)
def test_all_ages_of_the_format_give_the_numbers_that_were_written(age, tmp_path, monkeypatch):
    arrays = some()
    path = tmp_path / "weights.pth"
    WRITERS[age](path, state_dict({name: Tensor(value) for name, value in arrays.items()}), monkeypatch)
    same(torch_file.read_tensors(str(path)), arrays)


def test_big_endian_files_are_turned(tmp_path, monkeypatch):
    write_zip(tmp_path / "a.pth", {name: Tensor(value) for name, value in some().items()}, monkeypatch, big=True)
    same(torch_file.read_tensors(str(tmp_path / "a.pth")), some())


def test_bfloat16_becomes_float32(tmp_path, monkeypatch):
    numbers = np.array([1.0, -2.5, 3.140625, 0.0, np.inf], "f4")  # all of them bfloat16 numbers
    halves = (numbers.view("u4") >> 16).astype("u2")
    write_zip(tmp_path / "a.pth", {"x": Tensor(halves), "one": Tensor(halves[2])}, monkeypatch)
    same(torch_file.read_tensors(str(tmp_path / "a.pth")), {"x": numbers, "one": numbers[2:3].reshape(())})


@pytest.mark.parametrize("write", [write_zip, write_pickles])
def test_tensors_that_share_a_storage_have_their_own_offset_and_strides(write, tmp_path, monkeypatch):
    whole = Storage(np.arange(24, dtype="f4"))
    tree = {
        "turned": Tensor(None, 0, (4, 6), (1, 4), whole),
        "row": Tensor(None, 6, (6,), (1,), whole),
        "every other": Tensor(None, 1, (3,), (2,), whole),
    }
    write(tmp_path / "a.pth", tree, monkeypatch)
    x = np.arange(24, dtype="f4")
    wanted = {"turned": x.reshape(6, 4).T, "row": x[6:12], "every other": x[1:7:2]}
    same(torch_file.read_tensors(str(tmp_path / "a.pth")), wanted)


def test_a_checkpoint_of_data_parallel_is_opened(tmp_path, monkeypatch):
    x = np.arange(3.0)
    tree = {"epoch": 3, "state_dict": {"module.a": Tensor(x), "module.b": Parameter(-x)}, "optimizer": {"lr": [0.1]}}
    write_zip(tmp_path / "a.pth", tree, monkeypatch)
    same(torch_file.read_tensors(str(tmp_path / "a.pth")), {"a": x, "b": -x})


# ---- what is refused


class Call:
    """A pickle of it calls a function when it is loaded."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def refused(path, *words):
    with pytest.raises(ValueError) as error:
        torch_file.read_tensors(str(path))
    for word in (str(path), *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("write", [write_zip, write_pickles])
@pytest.mark.parametrize(
    "evil, name",
    [
        (Call(eval, "__import__('builtins').print('caught')"), "builtins.eval"),
        (Call(pickle.loads, b"N."), "ickle.loads"),  # Python 2 has it in cPickle
        (Call(getattr, collections.OrderedDict(), "__class__"), "builtins.getattr"),
        (Call(open, "caught", "w"), "open"),
    ],
)
def test_a_pickle_that_calls_something_is_refused_by_the_name_of_it(write, evil, name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.pth", {"x": Tensor(np.zeros(2)), "evil": evil}, monkeypatch)
    refused(tmp_path / "a.pth", "refused to load", name)
    assert capsys.readouterr().out == "" and not (tmp_path / "caught").exists()


def test_a_method_of_an_allowed_class_is_refused(tmp_path):
    text = pickle.dumps(collections.OrderedDict.fromkeys, 2)
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as file:
        file.writestr("a/data.pkl", text)
    refused(tmp_path / "a.pth", "refused to load")


def test_a_pickle_cannot_change_what_it_names(tmp_path):
    """BUILD sets attributes of any object; those of this module's classes and functions stay."""
    for name in (b"torch._utils\n_rebuild_tensor_v2", b"collections\nOrderedDict", b"torch.nn.parameter\nParameter"):
        with zipfile.ZipFile(tmp_path / "a.pth", "w") as file:
            file.writestr("a/data.pkl", b"\x80\x02c" + name + b"\nN}X\x04\x00\x00\x00hurtK\x01s\x86b.")
        refused(tmp_path / "a.pth")
    for thing in (torch_pickle.Unpickler.tensor, torch_pickle.Dict, torch_pickle.Parameter):
        assert not hasattr(thing, "hurt")


@pytest.mark.parametrize("age", WRITERS)
def test_a_file_cut_anywhere_is_refused(age, tmp_path, monkeypatch):
    tree = state_dict({"a": Tensor(np.arange(40.0)), "b": Tensor(np.arange(7))})
    WRITERS[age](tmp_path / "whole.pth", tree, monkeypatch)
    whole = (tmp_path / "whole.pth").read_bytes()
    torch_file.read_tensors(str(tmp_path / "whole.pth"))
    # a tar ends in zeros that nobody needs, so only what stands before them is cut
    for length in range(0, len(whole.rstrip(b"\0")) - 1, 7):
        (tmp_path / "cut.pth").write_bytes(whole[:length])
        refused(tmp_path / "cut.pth", "cannot read")


@pytest.mark.parametrize("age", ["zip", "pickles"])
def test_damaged_bytes_give_a_value_error_or_other_numbers(age, tmp_path, monkeypatch):
    WRITERS[age](tmp_path / "whole.pth", state_dict({"a": Tensor(np.arange(6.0))}), monkeypatch)
    whole, rng, kept = (tmp_path / "whole.pth").read_bytes(), np.random.default_rng(0), 0
    for _ in range(300):
        broken = bytearray(whole)
        broken[rng.integers(len(whole))] = rng.integers(256)
        (tmp_path / "broken.pth").write_bytes(broken)
        try:
            kept += set(torch_file.read_tensors(str(tmp_path / "broken.pth"))) == {"a"}
        except ValueError as error:
            assert str(tmp_path / "broken.pth") in str(error)
    assert kept < 300


LIES = {
    "beyond": Tensor(np.zeros(6), 0, (7,), (1,)),
    "offset": Tensor(np.zeros(6), 4, (3,), (1,)),
    "stride": Tensor(np.zeros(6), 0, (2, 3), (4, 1)),
    "swollen": Tensor(np.zeros(1), 0, (10**9, 10**9), (0, 0)),
    "negative": Tensor(np.zeros(6), 0, (3,), (-1,)),
    "ranks": Tensor(np.zeros(6), 0, (2, 3), (1,)),
    "words": Tensor(np.zeros(6), 0, ("2",), (1,)),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("write", [write_zip, write_pickles])
def test_a_tensor_outside_its_storage_is_refused(write, lie, tmp_path, monkeypatch):
    write(tmp_path / "a.pth", {"good": Tensor(np.zeros(3)), "conv1.weight": LIES[lie]}, monkeypatch)
    refused(tmp_path / "a.pth", "tensor 'conv1.weight'")


def test_a_storage_shorter_than_the_pickle_says_is_refused(tmp_path, monkeypatch):
    write_zip(tmp_path / "a.pth", {"x": Tensor(np.zeros(6, "f4"))}, monkeypatch)
    with zipfile.ZipFile(tmp_path / "a.pth") as file:
        text = file.read("archive/data.pkl")
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as file:
        file.writestr("archive/data.pkl", text)
        file.writestr("archive/data/0", bytes(20))
    refused(tmp_path / "b.pth", "storage 0 has 20 bytes, not 6 numbers")


def test_compressed_members_are_refused_before_they_swell(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(10**6))
    refused(tmp_path / "a.pth", "archive/data.pkl is compressed")


def test_other_files_are_named_as_what_they_are(tmp_path, monkeypatch):
    path = tmp_path / "a.pth"
    path.write_text("<html>not found</html>")
    refused(path, "it is no PyTorch file")
    path.write_bytes(pickle.dumps({"x": 1}, 2))
    refused(path, "it is a pickle, but no PyTorch file")
    write_pickles(path, {}, monkeypatch, version=1002)
    refused(path, "version 1002 of the format is unknown")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/model.json", "{}")
    refused(path, "a zip archive without the data.pkl")
    write_zip(path, [Tensor(np.zeros(2))], monkeypatch)
    refused(path, "it holds no state dict but a list")
    write_zip(path, {"x": Tensor(np.zeros(2)), "epoch": 3}, monkeypatch)
    refused(path, "its entry 'epoch' is no tensor")
