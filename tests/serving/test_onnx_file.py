"""A .onnx says what the Keras model says, of every kind of network."""

import csv
import io
import json
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny
from commands import command
from PIL import Image
from test_serving_formats import KINDS, NETWORKS

from tfuda.serving import export, onnx_file, predict


@pytest.fixture
def onnx():
    """The package onnx, which the extra of developers has; where it is missing, the tests fail."""
    import onnx

    return onnx


def prepared(cell, network="small", bottleneck=0):
    """A task, and a network of a method with moving statistics of its own."""
    made = tiny.config(cell)
    made.network.bottleneck = bottleneck
    if network != "small":
        made.network.name = network
        made.network_options = {"model": "MobileNetV2"} if network == "applications" else {}
    task, method = tiny.prepared(made)
    method.network(tf.constant(task.streams["target"].images[:8]), training=True)
    return task, method.network


def check(cell, out, **options):
    task, network = prepared(cell, **options)
    row = export.export_network(network, task.classes, out, task.streams["target"].images[:8], "onnx")
    assert float(row["largest_difference"]) < 1e-4 and row["equal_labels"] == "100.0 %"


@pytest.mark.parametrize("name", [pytest.param(k, marks=() if k == "hda" else pytest.mark.slow) for k in KINDS])
def test_every_kind_of_network_that_a_method_brings_is_exported(onnx, name, tmp_path):
    check(name, tmp_path / "model.onnx", bottleneck=5)


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "network"), NETWORKS)
def test_every_network_is_exported(onnx, cell, network, tmp_path):
    check(cell, tmp_path / "model.onnx", network=network)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    task, network = prepared("dann")
    out = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export.export_network(network, task.classes, out, task.streams["target"].images[:8], "onnx")
    return task, network, out


def test_the_file_names_its_input_and_output_and_holds_classes_and_card(onnx, exported):
    task, _, out = exported
    model = onnx.load(out)
    onnx.checker.check_model(model)
    assert [one.name for one in model.graph.input] == ["images"]
    assert [one.name for one in model.graph.output] == ["probabilities"]
    held = {one.key: one.value for one in model.metadata_props}
    assert held["classes.txt"].splitlines() == list(task.classes)
    assert json.loads(held["model_card.json"])["export"]["format"] == "onnx" and "FILE.onnx" in held["README.md"]
    assert sorted(path.name for path in out.parent.iterdir()) == ["model.onnx"]


def test_the_file_runs_without_the_library_on_any_number_of_images(exported):
    import onnxruntime

    task, network, out = exported
    images = task.streams["target"].images[:5]
    session = onnxruntime.InferenceSession(str(out))
    expected = tf.nn.softmax(network(tf.constant(images), training=False).logits).numpy()
    for count in (1, 5):
        found = session.run(["probabilities"], {"images": images[:count]})[0]
        np.testing.assert_allclose(found, expected[:count], atol=1e-5)


def test_predict_reads_the_file(exported, tmp_path):
    task, _, out = exported
    pixels = np.random.default_rng(0).integers(0, 255, [40, 30, 3], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    said, written, model = [], io.StringIO(), export.open_model(out)
    assert type(model) is onnx_file.Onnx
    assert predict.predict_files(model, [str(tmp_path)], written, said.append) == 1 and len(said) == 1
    (row,) = csv.DictReader(written.getvalue().splitlines())
    assert row["label"] in task.classes and row["file"].endswith("a.png")


@pytest.mark.slow
def test_the_command_writes_the_file_and_says_nothing_else(onnx, trained, tmp_path):
    done = command("export", f"--workdir={trained[0]}", f"--out={tmp_path / 'model'}", "--format=onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"| {tmp_path / 'model.onnx'} | onnx | " in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "model.onnx").write_bytes(bytes(100))
    with pytest.raises(ValueError, match=r"model\.onnx is not a \.onnx of run/export.py: export the run again"):
        export.open_model(tmp_path / "model.onnx")


def test_the_extra_that_is_missing_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    task, network = prepared("dann")
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"--format=onnx needs tf2onnx: pip install 'tfuda\[onnx\]'"):
        export.export_network(network, task.classes, tmp_path / "m.onnx", task.streams["target"].images[:2], "onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_without_onnxruntime_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(ImportError, match=r"m\.onnx needs onnxruntime: pip install 'tfuda\[onnx\]'"):
        export.open_model(tmp_path / "m.onnx")
