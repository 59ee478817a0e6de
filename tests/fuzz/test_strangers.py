"""Files of strangers: run folders, weights, lists, arrays. None runs code, or writes outside its folder."""

import gzip
import io
import json
import os
import pathlib
import time
import zipfile

import h5py
import numpy as np
import pytest
import tiny
import torch_writer
from hypothesis import given
from hypothesis import strategies as st
from said import one_sentence, profile

from tfuda import build, experiment, memory, names
from tfuda.data import files, lists, mnist, npz_file, scan, tfds
from tfuda.networks import applications, hub, resnet, torch_file
from tfuda.translation import store
from tfuda.workdir import Workdir

# ---- run folders


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a checkpoint."""
    folder = tmp_path_factory.mktemp("stranger") / "run"
    made = tiny.config("source_only")
    method = build.method(made)
    with Workdir(folder).claim(made):
        Workdir(folder).record(made)
        Workdir(folder).checkpoints(method).save()
    return folder


@pytest.fixture
def copied(run, tmp_path):
    """Another copy of it, and a function that changes its config.json."""
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(run, folder)

    def change(**values):
        record = json.loads((folder / "config.json").read_text())
        for key, value in values.items():
            *path, last = key.split("__")
            here = record["config"]
            for part in path:
                here = here[part]
            here[last] = value
        (folder / "config.json").write_text(json.dumps(record))

    return folder, change


EVIL = {
    "data": {"data": "cProfile:run", "task": "open('caught','w')-S"},
    "method": {"method": "evil_module:Method"},
    "weigher": {"weigher": "evil_module:weigh"},
    "network": {"network__name": "evil_module:network"},
    "augment": {"augment__name": "evil_module:change"},
    "sampler": {"samplers__source": "evil_module:rows"},
    "cell": {"cell": "dann+evil_module:weigh"},
}


@pytest.mark.parametrize("place", EVIL)
def test_a_config_of_a_stranger_runs_no_code_that_it_names(place, copied, tmp_path, monkeypatch):
    folder, change = copied
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_module.py").write_text("open('caught', 'w')\n")
    change(**EVIL[place])
    with pytest.raises(ValueError, match="code from outside tfuda .* TFUDA_TRUST="):
        experiment.load(folder)
    assert not (tmp_path / "caught").exists()


def test_code_that_the_user_names_as_well_is_run(copied, tmp_path, monkeypatch):
    folder, change = copied
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_module.py").write_text("from tfuda.methods.source_only import SourceOnly\n")
    change(method="my_module:SourceOnly", cell="my_module:SourceOnly")
    monkeypatch.setenv("TFUDA_TRUST", "other,my_module")
    assert experiment.load(folder)[0].method == "my_module:SourceOnly"
    monkeypatch.delenv("TFUDA_TRUST")
    monkeypatch.setattr(names, "NAMED", set())
    with pytest.raises(ValueError, match="TFUDA_TRUST=my_module"):
        experiment.load(folder)
    names.resolve("my_module:SourceOnly", "methods")  # as a --config of the same command does
    assert experiment.load(folder)[2].name == "sourceonly"


def test_a_cache_of_a_stranger_is_not_written_to(copied, tmp_path):
    folder, change = copied
    change(cache=str(tmp_path / "elsewhere"))
    assert experiment.load(folder)[0].cache == ""


def test_checkpoints_elsewhere_are_neither_read_nor_deleted(copied, tmp_path):
    folder, _ = copied
    precious = tmp_path / "precious"
    precious.mkdir()
    for file in (folder / "checkpoints").glob("ckpt-1.*"):
        (precious / file.name).write_bytes(file.read_bytes())
    for path in (f"{precious}/ckpt-1", "../../precious/ckpt-1"):
        state = f'model_checkpoint_path: "ckpt-1"\nall_model_checkpoint_paths: "{path}"\n'
        (folder / "checkpoints" / "checkpoint").write_text(state + 'all_model_checkpoint_paths: "ckpt-1"\n')
        method = build.method(tiny.config("source_only"))
        with pytest.raises(ValueError, match="not in its folder"):
            Workdir(folder).checkpoints(method)
    assert len(list(precious.iterdir())) == 2


def test_a_damaged_list_of_checkpoints_is_no_fresh_start(copied):
    (copied[0] / "checkpoints" / "checkpoint").write_text("}{")
    with pytest.raises(ValueError, match="is damaged"):
        experiment.load(copied[0])


@pytest.mark.parametrize("name", [".lock", "events", "plots/cam.png"])
def test_links_out_of_a_run_folder_are_not_written_through(name, copied, tmp_path):
    folder, _ = copied
    (tmp_path / "mine").write_text("mine")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(tmp_path / "mine")
    with pytest.raises(ValueError, match="symbolic link"), Workdir(folder).claim(tiny.config("source_only")):
        pass
    with pytest.raises(ValueError, match="symbolic link"):
        experiment.load(folder)
    assert (tmp_path / "mine").read_text() == "mine"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda x: st.lists(x, max_size=2)
)


@profile(15)
def test_a_run_folder_with_any_setting_damaged_is_one_sentence(amount, copied):
    folder, change = copied
    plain = (folder / "config.json").read_text()
    keys = sorted(key for key in json.loads(plain)["config"] if key not in ("pairs", "seed", "steps"))

    @amount
    @given(st.sampled_from(keys), JSON)
    def look(key, value):
        (folder / "config.json").write_text(plain)
        change(**{key: value})
        with one_sentence():
            experiment.load(folder)

    look()


HARMLESS = {("result.json", "{}"), ("result.json", '{"')}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"config": 3}', '{"config": {}}', "[" * 100_000, "\0", "{"])
@pytest.mark.parametrize("name", ["config.json", "result.json"])
def test_a_damaged_record_is_named(name, text, copied):
    folder, _ = copied
    (folder / name).write_text(text)
    with pytest.raises(ValueError, match=name) if (name, text[:2]) not in HARMLESS else one_sentence():
        experiment.load(folder) if name == "config.json" else Workdir(folder).finished()


@pytest.mark.parametrize("text", ["step\nx\n", "step,seconds\n1,2,3\n", "a,b\n1,2\n", "step,seconds\n1\n"])
def test_a_damaged_table_is_named(text, copied):
    (copied[0] / "metrics.csv").write_text(text)
    with pytest.raises(ValueError, match=r"metrics\.csv is damaged"):
        Workdir(copied[0]).rows()


# ---- weights


def nested(depth=60):
    """Tuples in tuples, each twice in the next: a few bytes, and 2^depth to look through."""
    return b"(K\x01t" + b"2\x86" * depth


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
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"a\.pth"):
        torch_file.read(str(tmp_path / "a.pth"))
    assert time.monotonic() - start < 2


def test_a_shape_of_nested_tuples_cannot_hang(tmp_path):
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + nested() + b")\x89Nt" + b"R"
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as file:
        file.writestr("a/data.pkl", b"\x80\x02}X\x01\x00\x00\x00x" + tensor + b"s.")
        file.writestr("a/data/0", bytes(4))
    with pytest.raises(ValueError, match="not of whole numbers"):
        torch_file.read(str(tmp_path / "a.pth"))


def test_weights_do_not_grow_in_memory(tmp_path, monkeypatch):
    shared = torch_writer.Storage(np.zeros(1000, "u2"))  # bfloat16, which becomes a copy
    tree = {str(i): torch_writer.Tensor(None, 0, (1000,), (1,), shared) for i in range(200)}
    torch_writer.write_zip(tmp_path / "a.pth", torch_writer.state_dict(tree), monkeypatch)
    with pytest.raises(ValueError, match="again and again"):
        torch_file.read(str(tmp_path / "a.pth"))


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
        torch_file.read(str(tmp_path / "b.pth"))


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
            torch_file.read(str(tmp_path / "a.pth"))

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
        resnet.contents(path)

    class Backbone:
        weights = [1]

    with pytest.raises(ValueError, match=r"a\.weights\.h5"):
        applications.load(Backbone(), path, "ResNet50")


def test_a_preset_names_code_of_keras_alone(tmp_path):
    good = {"module": "keras_hub.src.models", "class_name": "ResNetBackbone", "registered_name": "keras_hub>ResNet"}
    (tmp_path / "config.json").write_text(json.dumps({**good, "config": {"layers": [good, {"module": None}]}}))
    hub.plain(str(tmp_path))
    for evil in ({"module": "os"}, {"class_name": "Lambda"}, {"registered_name": "mine>Layer"}):
        (tmp_path / "config.json").write_text(json.dumps({**good, "config": {"layers": [{**good, **evil}]}}))
        with pytest.raises(ValueError, match="names code of others"):
            hub.plain(str(tmp_path))


# ---- arrays


class Evil:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path("caught"),)


def npy(array=None, header=None, body=b""):
    out = io.BytesIO()
    if header is None:
        np.save(out, array, allow_pickle=True)
    else:
        out.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body)
    return out.getvalue()


def archive(path, data, compression=zipfile.ZIP_STORED, name="beliefs.npy"):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr(name, data)


BAD_ARRAYS = {
    "pickle": npy(np.array([Evil()], object)),
    "huge": npy(header=b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}\n"),
    "negative": npy(header=b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}\n"),
    "words": npy(header=b"{'descr': '<f4', 'shape': '" + b"(" * 5000 + b"'}\n"),
    "short": npy(np.zeros([5, 5]))[:-9],
    "nan": npy(np.full([2, 2], np.nan)),
    "one row": npy(np.zeros([4])),
    "empty": b"",
}


@pytest.mark.parametrize("name", BAD_ARRAYS)
def test_a_bad_file_of_beliefs_is_one_sentence_and_runs_nothing(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive(tmp_path / "a.npz", BAD_ARRAYS[name])
    with pytest.raises(ValueError, match=r"prior=.*a\.npz"):
        memory.load(str(tmp_path / "a.npz"))
    if name not in ("nan", "one row"):
        (tmp_path / "a.npy").write_bytes(BAD_ARRAYS[name])
        with pytest.raises(ValueError, match=r"a\.npy"):
            npz_file.read_one(tmp_path / "a.npy")
    assert not (tmp_path / "caught").exists()


def test_an_array_that_would_swell_is_refused_before(tmp_path):
    archive(tmp_path / "a.npz", npy(np.zeros([2000, 2000])), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="says that it has"):
        npz_file.read(tmp_path / "a.npz", ["beliefs"], 10**6)


def test_an_idx_file_that_would_swell_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "MOST", 10**5)
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        (tmp_path / name).write_bytes(gzip.compress(bytes(10**6)))
    with pytest.raises(ValueError, match="more than"):
        mnist.digits(str(tmp_path), "train")


@profile(25)
def test_any_idx_or_npz_file_is_one_sentence(amount, tmp_path):
    @amount
    @given(st.binary(max_size=40), st.booleans())
    def look(data, zipped):
        mnist.digits.cache_clear()
        if zipped:
            archive(tmp_path / "mnist.npz", data, name="x_train.npy")
        else:
            (tmp_path / "mnist.npz").unlink(missing_ok=True)
            for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
                (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError):
            mnist.digits(str(tmp_path), "train")

    look()


# ---- pairs


def test_pairs_of_another_shape_are_refused(tmp_path):
    task = build.task(tiny.config("source_only"))
    domain = task.streams["source"]
    entries = {d: store.entry(d, task.streams[d[:6]], 32) for d in store.DIRECTIONS}
    store.finish(tmp_path, "R-S", entries)
    for wrong in (np.zeros([3, 32, 32, 3], np.uint8), np.zeros([len(domain), 32, 32], np.uint8)):
        np.save(tmp_path / "source_as_target.npy", wrong)
        with pytest.raises(ValueError, match="does not hold a picture for each"):
            store.load(tmp_path, "source_as_target", domain)
    for text in (
        "{}",
        "[]",
        "x",
        json.dumps({d: {} for d in store.DIRECTIONS}),
        json.dumps(dict.fromkeys(entries, 3)),
    ):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(ValueError, match=r"index\.json"):
            store.load(tmp_path, "source_as_target", domain)


# ---- lists


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "a" / "x y.jpg").write_bytes(b"")
    (tmp_path / "secret.jpg").write_bytes(b"")
    return tmp_path / "root"


def test_a_list_names_no_file_outside_its_root(pictures):
    text = pictures / "l.txt"
    for name in ("../secret.jpg", "a/../../secret.jpg", str(pictures.parent / "secret.jpg")):
        text.write_text(f"{name} 0\n")
        with pytest.raises((ValueError, FileNotFoundError)):
            files.image_list(text, pictures, ("0",))
        part = scan.list_part("l", str(text), str(pictures), [])
        assert not any("secret" in path and os.path.isfile(path) for path in part.files)
    text.write_text(f"{pictures / 'a' / 'x y.jpg'} 0\n")
    assert list(files.image_list(text, pictures, ("0",))[0]) == [str(pictures / "a" / "x y.jpg")]


LINE = st.one_of(
    st.sampled_from(
        ["a/x y.jpg 0", "a/x y.jpg 0\r", "a/x y.jpg  1", "", " ", "a", "a/x y.jpg", "a/x y.jpg -1", "\0 0"]
    ),
    st.sampled_from(
        ["a/x y.jpg ²", "a/x y.jpg 99999999999999999999", "/ 0", ". 0", "../secret.jpg 0", "a/x y.jpg 1.5"]
    ),
    st.text(max_size=10),
)


@profile(80)
def test_any_list_is_read_or_one_sentence(amount, pictures):
    @amount
    @given(st.lists(LINE, max_size=4), st.booleans(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
    def look(lines, crlf, code):
        text = ("\r\n" if crlf else "\n").join(lines)
        (pictures / "l.txt").write_bytes(text.encode(code, "surrogatepass"))
        with one_sentence():
            found, labels = files.image_list(pictures / "l.txt", pictures, ("0", "1"))
            assert len(found) == len(labels) and set(labels.tolist()) <= {0, 1}
        with one_sentence():
            domain = lists.load("l", "train", str(pictures))
            assert domain.labels.min() >= 0 and domain.labels.max() < len(domain.classes)
        with one_sentence():
            scan.list_part("l", str(pictures / "l.txt"), str(pictures), [])

    look()


def test_data_sets_that_would_be_downloaded_code_are_refused():
    with pytest.raises(ValueError, match="code to download"):
        tfds.load("huggingface:evil", "train")


def test_nothing_unpickles_outside_the_reader_of_weights():
    """Nor does anything load a whole Keras model, which may name code."""
    home = pathlib.Path(names.__file__).parent
    text = {path.name: path.read_text() for path in home.rglob("*.py") if path.name != "torch_file.py"}
    for word in ("pickle.load", "allow_pickle=True", "load_model", "extractall", "unsafe", "torch.load"):
        assert not [name for name, body in text.items() if word in body]
