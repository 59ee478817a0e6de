"""From a trained run to a served model and a CSV of predictions."""

import csv
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from commands import command, restored
from PIL import Image

from tfuda import build
from tfuda.workdir import Workdir


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    model = tmp_path_factory.mktemp("exported") / "model"
    done = command("export", f"--workdir={trained[0]}", f"--out={model}")
    assert (done.returncode, done.stderr) == (0, "")
    return model, done.stdout


def test_an_exported_model_serves_without_the_library(trained, exported):
    model, printed = exported
    assert float(printed.split()[-1]) < 1e-5
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


def test_predict_writes_a_line_per_picture_and_names_the_unreadable(exported, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, [40, 30, 3], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "ä b.png")
    Image.fromarray(pixels).save(tmp_path / "c.jpg")
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    done = command("predict", f"--model={exported[0]}", tmp_path, tmp_path / "missing.png")
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
    assert done.returncode == 2 and "is no SavedModel" in done.stderr and done.stderr.count("\n") == 1
