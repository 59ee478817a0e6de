"""Every format of every network says what the Keras model says."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda import names
from tfuda.serving import export, predict, saved_model


def test_what_half_precision_cannot_hold_is_kept_whole():
    small, large = keras.Variable([0.1, 65504.0]), keras.Variable([0.1, 65536.0])
    count = keras.Variable([1], dtype="int32")
    assert [saved_model.halved(variable).dtype for variable in (small, large, count)] == [
        np.uint16,
        np.float32,
        np.int32,
    ]
    np.testing.assert_array_equal(
        saved_model.whole(saved_model.halved(small), "float32"), np.float32(np.float16([0.1, 65504]))
    )
    np.testing.assert_array_equal(saved_model.whole(saved_model.halved(large), "float32"), large.numpy())


def test_an_export_that_differs_from_the_network_is_not_published(tmp_path):
    made = tiny.config("source_only")
    task, method = tiny.prepared(made)
    method.network.head.kernel.assign(np.full(method.network.head.kernel.shape, np.nan))
    with pytest.raises(ValueError, match="savedmodel differs from the network by nan in a probability"):
        export.export_network(method.network, task.classes, tmp_path / "model", task.streams["target"].images[:4])
    assert not [*tmp_path.iterdir()]


def test_no_format_is_one_sentence():
    with pytest.raises(ValueError, match="--format is empty: choose some of savedmodel,"):
        export.output_paths("model", [])


def test_pictures_of_many_bytes_are_read_in_smaller_batches(tmp_path, monkeypatch):
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for path in paths:
        path.write_bytes(tf.io.encode_png(np.zeros([4, 4, 3], np.uint8)).numpy())
    size = paths[0].stat().st_size
    monkeypatch.setattr(predict, "MOST", 2 * size - 1)
    assert [len(names) for names, _ in predict.batches(paths, pytest.fail)] == [2, 2, 1]


@pytest.fixture
def mixed():
    """Layers that compute in half precision."""
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.slow
def test_a_network_that_tflite_cannot_run_is_a_sentence_and_leaves_nothing(mixed, tmp_path):
    task, method = tiny.prepared(tiny.config("hda"))
    with pytest.raises(ValueError, match=r"^TFLite cannot run this network \('tf.* op.*\): --format=savedmodel$"):
        export.export_network(
            method.network, task.classes, tmp_path / "m", task.streams["target"].images[:2], "tflite"
        )
    assert list(tmp_path.iterdir()) == []


def parts(name: str) -> tuple:
    """Kinds of head, bottleneck and attention that a method brings."""
    kind = names.resolve(name, "methods")
    options = kind.options()
    return tuple(map(type, (kind.head(3, options), kind.neck(5, options), kind.attention(options))))


KINDS = {parts(name): name for name in names.modules("methods")}.values()


@pytest.mark.parametrize(
    "name", [pytest.param(k, marks=() if k in ("hda", "tada", "mdd") else pytest.mark.slow) for k in KINDS]
)
def test_every_kind_of_network_that_a_method_brings_is_exported(name, tmp_path):
    made = tiny.config(name)
    made.network.bottleneck = 5
    task, method = tiny.prepared(made)
    images = task.streams["target"].images[:4]
    method.network(tf.constant(images), training=True)  # moving statistics of its own
    row = export.export_network(method.network, task.classes, tmp_path / "model", images)
    assert float(row["largest_difference"]) < 1e-4 and row["equal_labels"] == "100.0 %"


FORMS = [form for form in export.FORMATS if form != "onnx"]  # test_onnx_file.py
NETWORKS = [(name, "small") for name in KINDS]
NETWORKS += [
    ("dannp", name) for name in ("lenet", "mnist", "resnet18", "resnet50", "efficientnet_lite0", "applications")
]


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "network"), NETWORKS)
def test_all_formats_agree(cell, network, tmp_path):
    made = tiny.config(cell)
    if network != "small":
        made.network.name, made.network_options = (
            network,
            {"model": "MobileNetV2"} if network == "applications" else {},
        )
    task, method = tiny.prepared(made)
    images = task.streams["target"].images[:8]
    method.network(tf.constant(images), training=True)  # moving statistics of its own
    sizes = {}
    for form, path in export.output_paths(str(tmp_path / "model"), FORMS).items():
        row = export.export_network(method.network, task.classes, path, images, form)
        assert float(row["largest_difference"]) < (2e-2 if form.endswith("float16") else 1e-4), form
        sizes[form] = export.megabytes(pathlib.Path(path))
    weights = 4 * method.network.count_params() / 2**20
    if weights > 5:
        assert sizes["savedmodel-float16"] < 0.6 * sizes["savedmodel"]
        assert sizes["tflite-float16"] < 0.55 * sizes["tflite"]
