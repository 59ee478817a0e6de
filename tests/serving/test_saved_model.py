"""From a trained run to a served model and a CSV of predictions."""

import base64
import csv
import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from commands import ROOT, command, restored
from PIL import Image

from tfuda.data.views import View
from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir
from tfuda.serving import export
from tfuda.serving.fixed_size import FixedSize

FORMS = {form: ending for form, ending in export.FORMATS.items() if form != "onnx"}  # which has an extra, and tests


def png(pixels):
    return tf.io.encode_png(pixels).numpy()


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    model = tmp_path_factory.mktemp("exported") / "model"
    done = command("export", f"--workdir={trained[0]}", f"--out={model}", f"--format={','.join(FORMS)}")
    assert (done.returncode, done.stderr) == (0, "")
    return model, done.stdout


def test_every_format_is_written_and_compared_with_the_keras_model(exported):
    model, printed = exported
    table = [line.strip("| ").split(" | ") for line in printed.splitlines()[4:]]
    assert [row[:2] for row in table] == [[f"{model}{ending}", name] for name, ending in FORMS.items()]
    worst = {row[1]: float(row[3]) for row in table}
    assert max(worst["savedmodel"], worst["tflite"]) < 1e-5
    assert min(worst["savedmodel-float16"], worst["tflite-float16"]) > 1e-6
    assert max(worst["savedmodel-float16"], worst["tflite-float16"]) < 1e-2
    assert all(float(row[4].rstrip("% ")) > 95 for row in table)
    assert sorted(path.name for path in model.parent.iterdir()) == sorted(
        f"model{ending}" for ending in FORMS.values()
    )


def test_an_exported_model_serves_without_the_library(trained, exported):
    model = exported[0]
    images = build.task(Workdir(trained[0]).config()).tests["target"].images[:5]
    script = (
        "import sys, numpy as np, tensorflow as tf\n"
        "m = tf.saved_model.load(sys.argv[1]); x = np.load(sys.argv[2])\n"
        "r = m.signatures['serving_default'](images=tf.constant(x))\n"
        "assert not any(n.startswith('tfuda') for n in sys.modules)\n"
        "np.save(sys.argv[3], r['probabilities'].numpy()); print(*[c.decode() for c in r['class'].numpy()])\n"
    )
    given, answer = model.parent / "in.npy", model.parent / "out.npy"
    np.save(given, images)
    done = subprocess.run(
        [sys.executable, "-c", script, str(model), str(given), str(answer)],
        capture_output=True,
        text=True,
        check=True,
    )
    logits = restored(trained[0]).predict(images, verbose=0)
    np.testing.assert_allclose(np.load(answer), tf.nn.softmax(logits), atol=1e-5)
    assert done.stdout.split() == [str(k) for k in logits.argmax(1)]


def test_any_size_is_served_and_floats_are_refused(exported):
    loaded = tf.saved_model.load(str(exported[0]))
    serve = loaded.signatures["serving_default"]
    assert serve(images=tf.zeros([2, 50, 70, 3], tf.uint8))["probabilities"].shape == (2, 10)
    with pytest.raises(Exception, match=r"uint8|dtype"):
        serve(images=tf.zeros([2, 32, 32, 3], tf.float32))


@pytest.mark.parametrize("ending", ["", ".tflite"])
def test_predict_writes_a_line_per_picture_and_names_the_unreadable(exported, tmp_path, ending):
    pixels = np.random.default_rng(0).integers(0, 255, [40, 30, 3], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "ä b.png")
    Image.fromarray(pixels).save(tmp_path / "c.jpg")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    done = command("predict", f"--model={exported[0]}{ending}", tmp_path, tmp_path / "missing.png")
    assert done.returncode == 1
    read = list(csv.DictReader(done.stdout.splitlines()))
    assert [pathlib.Path(row["file"]).name for row in read] == ["c.jpg", "grey.png", "ä b.png"]
    assert all(row["label"] in map(str, range(10)) and 0 < float(row["confidence"]) <= 1 for row in read)
    assert sorted(line.split(": ")[0].rpartition("/")[2] for line in done.stderr.splitlines()) == [
        "broken.jpg",
        "empty.png",
        "missing.png",
    ]


def test_a_model_that_is_none_is_named(tmp_path):
    done = command("predict", f"--model={tmp_path}", tmp_path)
    assert done.returncode == 2 and "is not a SavedModel" in done.stderr and done.stderr.count("\n") == 1


def test_a_tflite_resizes_as_the_savedmodel_does(exported):
    images = np.random.default_rng(0).integers(0, 255, [3, 50, 70, 3], np.uint8)
    big, lite = export.open_model(exported[0]), export.open_model(f"{exported[0]}.tflite")
    assert type(lite) is export.Lite and lite.classes == big.classes == [str(k) for k in range(10)]
    np.testing.assert_allclose(lite(images), big(images), atol=1e-5)
    files = [png(image) for image in images]
    np.testing.assert_allclose(lite.files(files[:2]), big.files(files[:2]), atol=1e-5)


def test_images_of_the_network_s_size_are_neither_resized_nor_cropped():
    """By no format."""
    given, seen = np.random.default_rng(0).integers(0, 255, [2, 8, 8, 3], np.uint8), []
    model = FixedSize(lambda ready: seen.append(ready) or np.zeros([2, 3]), ["a", "b", "c"], View(12, 8), (8, 8, 3))
    model(given)
    model(given[:, :7])
    assert (seen[0] == given).all() and (seen[1] != given).any()


def test_a_tflite_that_is_none_is_named(tmp_path):
    (tmp_path / "model.tflite").write_bytes(bytes(100))
    with pytest.raises(ValueError, match=r"is not a \.tflite of run/export.py"):
        export.open_model(tmp_path / "model.tflite")


def test_formats_are_named_after_the_model():
    assert export.output_paths("a/b.tflite", ["tflite-float16", "savedmodel"]) == {
        "tflite-float16": "a/b-float16.tflite",
        "savedmodel": "a/b",
    }
    assert export.output_paths("a/b.onnx", ["onnx", "savedmodel"]) == {"onnx": "a/b.onnx", "savedmodel": "a/b"}
    assert export.output_paths("a/b/", ["tflite", "savedmodel"]) == {"tflite": "a/b.tflite", "savedmodel": "a/b"}
    with pytest.raises(ValueError, match=r"--out=a\.onnx ends in \.onnx, but --format names no onnx"):
        export.output_paths("a.onnx", ["tflite", "savedmodel"])
    with pytest.raises(ValueError, match=r"--format=coreml is unknown: choose some of savedmodel, .*onnx"):
        export.output_paths("a", ["savedmodel", "coreml"])


def rest(model, body):
    """What TensorFlow Serving makes of a predict request: b64 decoded, a tensor of every input, the signature run."""
    request = json.loads(body)
    columns = {name: [row[name] for row in request["instances"]] for name in request["instances"][0]}
    tensors = {
        name: tf.constant([base64.b64decode(value["b64"]) if "b64" in value else value for value in values])
        for name, values in columns.items()
    }
    return tf.saved_model.load(str(model)).signatures[request["signature_name"]](**tensors)


def test_the_recipe_for_tensorflow_serving_fits_the_signature(exported, tmp_path):
    text = (ROOT / "saved_models" / "README.md").read_text("utf-8")
    name = re.search(r'name: "(\w+)"', text)[1]
    shutil.copytree(exported[0], tmp_path / name / "1")
    asked, body = re.search(r"```sh\ncurl \S+/models/(\w+):predict -d (.*?)```", text, re.S).groups()
    pictures = [png(np.full([20 + i, 30, 3], 90 * i, np.uint8)) for i in (1, 2)]
    (tmp_path / "a.png").write_bytes(pictures[0])
    (tmp_path / "b.jpg").write_bytes(pictures[1])
    sent = subprocess.run(["sh", "-c", f"printf %s {body}"], cwd=tmp_path, capture_output=True, check=True).stdout
    answer = rest(tmp_path / asked / "1", sent)
    expected = export.open_model(exported[0]).files(pictures)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-5)
    assert [word.decode() for word in answer["class"].numpy()] == [str(k) for k in expected.argmax(1)]
