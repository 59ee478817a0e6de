"""From two folders of pictures to a model and a CSV with one command, as a user has them."""

import csv
import os
import runpy

import numpy as np
import pytest
import tensorflow as tf
from commands import command
from PIL import Image

from tfuda.experiment import build

CLASSES = ("Bälle rund", "boxes", "Kreuz ×")
QUICK = [
    "--config.steps=8",
    "--config.segment=4",
    "--config.batch=8",
    "--config.view.resize=20",
    "--config.view.size=16",
    "--config.network_options.widths=(4,6,8)",
]


def picture(rng, kind, shade):
    """A disc, a frame or a cross, of any size."""
    height, width = rng.integers(40, 90, 2)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    shape = [y**2 + x**2 < 0.5, np.maximum(abs(y), abs(x)) > 0.7, np.minimum(abs(y - x), abs(y + x)) < 0.3][kind]
    pixels = np.where(shape, shade, 255 - shade)[..., None] + rng.normal(0, 10, [height, width, 3])
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """3 classes × 16 pictures, PNG and JPEG, labelled; as many without labels; a few labelled to test on."""
    root, rng = tmp_path_factory.mktemp("own pictures ü"), np.random.default_rng(0)
    for kind, name in enumerate(CLASSES):
        for i in range(16):
            ending = "png" if i % 2 else "jpg"
            for place, shade in ((f"photos/{name}", 40), (f"scans/day {i % 3}", 90), (f"test/{name}", 90)):
                folder = root / place
                folder.mkdir(parents=True, exist_ok=True)
                if not place.startswith("test") or i < 5:
                    picture(rng, kind, shade).save(folder / f"bild {kind} {i} é.{ending}")
    return root


def train(folders, workdir, *more):
    return command(
        "train",
        "--config=configs/folders.py:toalign@small",
        f"--config.source={folders / 'photos'}",
        f"--config.target={folders / 'scans'}",
        f"--workdir={workdir}",
        *QUICK,
        *more,
        env={**os.environ, "TFUDA_CACHE": str(folders / "cache")},
    )


@pytest.fixture(scope="module")
def run(folders):
    workdir = folders / "run"
    return workdir, train(folders, workdir, f"--config.labels={folders / 'test'}")


@pytest.mark.slow
def test_one_command_leads_to_a_model_and_predictions(folders, run):
    workdir, done = run
    assert (done.returncode, done.stderr) == (0, "")
    assert "target accuracy" in done.stdout and f"predictions: {workdir / 'predictions.csv'}" in done.stdout
    with open(workdir / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 48 and {row["label"] for row in rows} <= set(CLASSES)
    assert all(os.path.isfile(row["file"]) and 1 / 3 <= float(row["confidence"]) <= 1 for row in rows)


@pytest.mark.slow
def test_the_model_sees_what_evaluation_sees(folders, run):
    """Bytes of a picture of any size, through the SavedModel and through evaluation."""
    from tfuda.evaluation import evaluate
    from tfuda.experiment import training

    _, task, method = training.load_run(run[0])
    test = task.tests["target"]
    ours = tf.nn.softmax(evaluate.Observer(method.network)(test.images).logits).numpy()
    served = tf.saved_model.load(str(run[0] / "export")).signatures["serve_bytes"]
    theirs = served(encoded=tf.stack([tf.io.read_file(path) for path in test.images]))["probabilities"].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.slow
def test_the_same_command_again_trains_nothing_and_delivers_again(folders, run):
    (run[0] / "predictions.csv").unlink()
    done = train(folders, run[0], f"--config.labels={folders / 'test'}")
    assert done.returncode == 0 and "finished run" in done.stdout and (run[0] / "predictions.csv").is_file()


@pytest.mark.slow
def test_the_default_trains_on_what_a_pretrained_network_made_of_the_pictures(folders, tmp_path):
    done = command(
        "train",
        "--config=configs/folders.py:dannp",
        f"--config.source={folders / 'photos'}",
        f"--config.target={folders / 'scans'}",
        f"--workdir={tmp_path}",
        *QUICK[:3],
        "--config.view.resize=40",
        "--config.view.size=32",
        "--config.views=1",
        env={**os.environ, "TFUDA_CACHE": str(folders / "cache")},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "frozen stages: 96 pictures in 2 views each" in done.stdout and "from scratch" not in done.stdout
    assert len((tmp_path / "predictions.csv").read_text("utf-8").splitlines()) == 49


@pytest.mark.slow
def test_other_commands_take_the_run(folders, run):
    for name, words in (
        ("evaluate", ["--split=test"]),
        ("plot", ["--what=cam"]),
        ("plot", ["--what=tsne"]),
    ):
        done = command(name, f"--workdir={run[0]}", *words)
        assert (done.returncode, done.stderr) == (0, ""), name


@pytest.mark.slow
def test_labels_of_the_target_change_nothing_in_training(folders, run):
    done = train(folders, folders / "unlabelled")
    assert done.returncode == 0 and "target accuracy" not in done.stdout
    same = [(place / "predictions.csv").read_text() for place in (run[0], folders / "unlabelled")]
    assert same[0] == same[1]


@pytest.mark.slow
def test_a_bad_picture_is_fatal_before_training_or_left_out(folders, tmp_path):
    for kind, name in enumerate(CLASSES):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(6):
            picture(np.random.default_rng(i), kind, 40).save(tmp_path / "photos" / name / f"{i}.jpg")
    (tmp_path / "scans").symlink_to(folders / "scans")
    broken = tmp_path / "photos" / CLASSES[0] / "2.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    done = train(tmp_path, tmp_path / "run")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and str(broken) in done.stderr
    assert "on_bad_image=skip" in done.stderr
    done = train(tmp_path, tmp_path / "run", "--on_bad_image=skip")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(str(broken)) == 1 and "leaving out 1 of" in done.stdout


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda root: (root / "photos" / "empty").mkdir(), "empty holds no picture"),
        (
            lambda root: (root / "test" / "unicorn").mkdir() or more(root),
            "has the class 'unicorn' that the source lacks",
        ),
        (lambda root: (root / "photos" / "boxes" / "up").symlink_to(root / "photos"), "is a symbolic link back to"),
        (lambda root: (root / "scans" / "s.png").unlink(), "scans holds no picture"),
    ],
)
def test_folders_that_are_wrong_are_one_sentence(tmp_path, make, sentence):
    for name in ("photos/boxes", "photos/balls", "scans", "test/boxes"):
        (tmp_path / name).mkdir(parents=True)
        picture(np.random.default_rng(0), 0, 40).save(tmp_path / name / "s.png")
    make(tmp_path)
    config = runpy.run_path("configs/folders.py")["get_config"]()
    config.update(source=str(tmp_path / "photos"), target=str(tmp_path / "scans"), labels=str(tmp_path / "test"))
    with pytest.raises((ValueError, OSError), match=sentence):
        build.task(config)


def test_a_wrong_folder_ends_the_command_in_one_sentence(tmp_path):
    for name in ("photos/boxes", "photos/empty", "scans"):
        (tmp_path / name).mkdir(parents=True)
    picture(np.random.default_rng(0), 0, 40).save(tmp_path / "photos" / "boxes" / "s.png")
    done = train(tmp_path, tmp_path / "run")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "empty holds no picture" in done.stderr
    assert not (tmp_path / "run" / "config.json").exists()


def more(root):
    picture(np.random.default_rng(0), 0, 40).save(root / "test" / "unicorn" / "s.png")


def test_a_missing_folder_is_named():
    done = command("train", "--config=configs/folders.py", "--workdir=/tmp/never", "--config.source=/nonexistent")
    assert (done.returncode, done.stderr) == (
        2,
        "train.py: --config.target is missing: give the folder of target pictures\n",
    )
