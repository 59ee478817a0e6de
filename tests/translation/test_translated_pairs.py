"""Pairs on disk: trained and written, killed and resumed, loaded, refused, and brought from elsewhere."""

import os
import re
import shutil
import signal

import numpy as np
import pytest
from PIL import Image
from tiny import StopAt
from tiny_pairs import arrays, content, settings

from configs import digits
from tfuda.data import pipeline
from tfuda.experiment import build, translated_pairs
from tfuda.experiment.training import Stopped
from tfuda.experiment.workdir import Workdir, restore
from tfuda.translation import pair_store
from tfuda.translation.cyclegan import CycleGAN

pytestmark = pytest.mark.slow


def test_pairs_are_images_a_table_of_losses_and_samples(made):
    folder, said = made
    assert {path.name for path in (folder / "samples").iterdir()} == {"step000003.png", "step000006.png"}
    assert [row["step"] for row in Workdir(folder).rows()] == [3, 6]
    assert {"fool", "cycle", "identity", "judge", "loss"} <= set(Workdir(folder).rows()[0])
    index = pair_store.finished(folder)
    assert (index["task"], index["split"]) == ("H-M", "train")
    assert {"domain": "H", "count": 600, "size": [32, 32]}.items() <= index["source_as_target"].items()
    assert said[0] == "training generators from H to M and back: 6 steps"


def test_they_are_what_the_generators_make_of_each_row(made):
    folder, _ = made
    task = build.task(arrays())
    model = translated_pairs.model(arrays(), 32)
    assert restore(Workdir(folder).checkpoints(model))
    for direction, name in zip(translated_pairs.DIRECTIONS, ("source", "target")):
        images = task.streams[name].images[256:512]
        loaded = translated_pairs.load_pairs(folder, direction, task.streams[name]).images
        assert loaded.dtype == np.uint8 and loaded.shape == (600, 32, 32, 3)
        assert np.array_equal(loaded[256:512], model.translator(direction)(images))


def test_load_gives_labels_to_the_translated_source_alone(made):
    folder, _ = made
    task = build.task(arrays())
    source, target = task.streams["source"], task.streams["target"]
    there, back = (
        translated_pairs.load_pairs(folder, "source_as_target", source),
        translated_pairs.load_pairs(folder, "target_as_source", target),
    )
    assert (there.name, back.name) == ("H as M", "M as H")
    assert np.array_equal(there.labels, source.labels) and back.labels is None
    assert there.classes == source.classes


def test_the_same_again_does_nothing(made):
    folder, _ = made
    before, said = content(folder), []
    translated_pairs.make_pairs(arrays(), Workdir(folder), say=said.append)
    assert content(folder) == before and said == [f"{folder} has all pairs of task H-M; nothing to do"]


def test_pairs_of_a_method_are_the_pairs_of_all(made):
    config = arrays()
    other = digits.get_config("dannp+toalign")
    other.task, other.steps, other.pairs = config.task, 99, config.pairs
    assert translated_pairs.relevant(other).to_dict() == translated_pairs.relevant(config).to_dict()


def stopped_at(step, monkeypatch):
    plain = CycleGAN.fit
    monkeypatch.setattr(
        CycleGAN, "fit", lambda self, data, callbacks, **o: plain(self, data, [*callbacks, StopAt(step)], **o)
    )


def test_stopped_in_training_and_resumed_they_are_the_same_bytes(made, tmp_path, monkeypatch):
    """Stopped in mid-segment with a checkpoint, as Stoppable saves it."""
    folder = Workdir(tmp_path)
    with monkeypatch.context() as patch:
        stopped_at(4, patch)
        patch.setattr(
            "tfuda.experiment.callbacks.Stoppable.on_train_end", lambda self, logs=None: self.manager.save()
        )
        with pytest.raises(Stopped, match="stopped at step 4 of 6; the same command resumes"):
            translated_pairs.make_pairs(arrays(), folder)
    said = []
    translated_pairs.make_pairs(arrays(), folder, say=said.append)
    assert said[0] == "resuming at step 4 of 6"
    assert content(tmp_path) == content(made[0])


class Killed(BaseException):
    pass


def killed(*args, **options):
    raise Killed


def killed_at(count, monkeypatch):
    """After so many translated pictures or arrays."""
    done, plain = [], pair_store.write_whole

    def write(path, content):
        done.append(path)
        return plain(path, content) if len(done) <= count else killed()

    monkeypatch.setattr(pair_store, "write_whole", write)


def signalled_at_first(monkeypatch):
    """SIGTERM while the first picture is written."""
    plain = pair_store.write_whole

    def write(path, content):
        if path.name.startswith("00000"):
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(path, content)

    monkeypatch.setattr(pair_store, "write_whole", write)


@pytest.mark.slow
def test_killed_between_two_arrays_it_keeps_the_first(made, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        killed_at(1, patch)
        with pytest.raises(Killed):
            translated_pairs.make_pairs(arrays(), Workdir(tmp_path))
    first = tmp_path / "source_as_target.npy"
    before = first.stat().st_mtime_ns
    assert not (tmp_path / "target_as_source.npy").exists() and pair_store.finished(tmp_path) is None
    translated_pairs.make_pairs(arrays(), Workdir(tmp_path))
    assert first.stat().st_mtime_ns == before and content(tmp_path) == content(made[0])


def test_stopped_and_killed_in_the_middle_of_files_it_ends_in_the_same_bytes(photos, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        signalled_at_first(patch)
        with pytest.raises(Stopped, match="stopped after 3 of 8 pictures source as target; the same command resumes"):
            translated_pairs.make_pairs(settings(photos), Workdir(tmp_path))
    with monkeypatch.context() as patch:
        killed_at(2, patch)
        with pytest.raises(Killed):
            translated_pairs.make_pairs(settings(photos), Workdir(tmp_path))
    there = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*_as_*/*.png")}
    assert len(there) == 5
    translated_pairs.make_pairs(settings(photos), Workdir(tmp_path))
    assert content(tmp_path) == content(photos / "pairs")
    assert [path.name for path, time in there.items() if path.stat().st_mtime_ns != time] == []


def test_files_are_named_after_row_and_original_and_load_in_order(photos):
    config = settings(photos)
    source = build.task(config).streams["source"]
    loaded = translated_pairs.load_pairs(photos / "pairs", "source_as_target", source)
    paths = list(loaded.images)
    assert len(paths) == len(source) == 8 and np.array_equal(loaded.labels, source.labels)
    for row, (path, original) in enumerate(zip(paths, source.images)):
        assert path.endswith(f"/{row:05d}_{original.rpartition('/')[2].removesuffix('.jpg')}.png")
        assert Image.open(path).size == (20, 20)
    lines = (photos / "pairs" / "target_as_source" / "index.csv").read_text().splitlines()
    assert lines[0] == "row,original,translated" and lines[1].startswith(f"0,{photos}/scans/x/x_0.jpg,target_as_")
    seen = pipeline.read_pictures(loaded.images, build.view(config))
    assert seen.shape == (8, 16, 16, 3)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder), "there is no such folder of pairs; run/pair.py makes it"),
        (lambda folder: (folder / "index.json").unlink(), "holds no finished pairs: index.json is missing"),
        (lambda folder: (folder / "source_as_target.npy").unlink(), "source_as_target.npy is missing: delete"),
    ],
)
def test_pairs_that_are_not_there_are_named(made, tmp_path, spoil, sentence):
    shutil.copytree(made[0], tmp_path / "pairs")
    spoil(tmp_path / "pairs")
    with pytest.raises(FileNotFoundError, match=re.escape(sentence)):
        translated_pairs.load_pairs(tmp_path / "pairs", "source_as_target", build.task(arrays()).streams["source"])


def test_pairs_of_another_task_are_refused(made):
    sentence = "holds pairs of task H-M, and the 600 pictures of H translated there are not the 1400 of R here"
    with pytest.raises(ValueError, match=sentence):
        translated_pairs.load_pairs(made[0], "source_as_target", build.task(arrays("R-M")).streams["source"])
    with pytest.raises(ValueError, match="direction 'there': choose source_as_target or target_as_source"):
        translated_pairs.load_pairs(made[0], "there", build.task(arrays()).streams["source"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 0}, "pairs.steps=0: a whole number from 1"),
        ({"size": 30}, "images of 30 × 30: the generators halve them twice"),
        ({"resize": 16}, "pairs.resize=16 is smaller than the pictures of 32"),
        ({"batch": 601}, "batch 601 does not fit stream 'source': domain H has 600 images"),
    ],
)
def test_settings_that_cannot_be_are_one_sentence(tmp_path, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        translated_pairs.make_pairs(arrays(**changes), Workdir(tmp_path))
    assert not (tmp_path / "config.json").exists()


def test_a_diverged_run_names_the_rate_of_pairs(tmp_path):
    with pytest.raises(ValueError, match=r"diverged.* lower pairs\.rate"):
        translated_pairs.make_pairs(arrays(rate=1e30), Workdir(tmp_path))
