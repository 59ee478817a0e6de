"""The card of an exported model says what is known, in every format, and nothing that target labels or paths tell."""

import json
import math
import zipfile

import pytest
import tensorflow as tf
import tiny

from tfuda.evaluation.combined_estimate import Estimate
from tfuda.experiment import card_facts, training
from tfuda.experiment.workdir import Workdir
from tfuda.networks.weights import pretrained
from tfuda.serving import export, model_card
from tfuda.serving.model_card import JSON, README, Card
from tfuda.startup import VERSION

pytestmark = pytest.mark.usefixtures("few_digits")

ROW = {"format": "savedmodel", "MB": "0.10", "largest_difference": "1.0e-07", "equal_labels": "100.0 %"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run and its parts."""
    folder = tmp_path_factory.mktemp("carded") / "run"
    training.train_run(tiny.config("dann", steps=4, segment=2), Workdir(folder))
    return folder, training.load_run(folder)


def card_of(run, **more):
    folder, (config, task, method) = run
    return card_facts.model_card(config, task, method, Workdir(folder), **more)


def test_the_card_of_a_run_holds_its_facts(run):
    folder, (config, task, method) = run
    card = card_of(run)
    rows = {int(row["step"]): row for row in Workdir(folder).rows()}
    at = rows[int(method.step.numpy())]
    assert (card.task, card.method, card.validator) == (config.task, "dann", config.select)
    assert card.pictures == {name: len(domain) for name, domain in task.streams.items()}
    assert sum(card.source_counts) == card.pictures["source"] and len(card.source_counts) == len(card.classes)
    assert card.source_accuracy == at["source_accuracy"] and card.validators["im"] == at["val_im"]
    assert card.settings["optimizer.rate"] == config.optimizer.rate and card.settings["seed"] == config.seed
    assert card.versions["tensorflow"] == tf.__version__
    assert card.license.startswith("none is needed")


def test_the_card_holds_no_path_and_no_number_from_target_labels(run):
    folder = run[0]
    found = model_card.texts(card_of(run), ROW, "")
    for text in found.values():
        assert str(folder) not in text and str(folder.parent) not in text
        assert "oracle" not in text and "target_accuracy" not in text
    assert not {key for key in json.loads(found[JSON])["settings"] if key in ("root", "source", "target", "lists")}


@pytest.mark.parametrize(
    "form",
    [
        "savedmodel",
        "tflite",
        *(pytest.param(f"{form}-float16", marks=pytest.mark.slow) for form in ("savedmodel", "tflite")),
    ],
)
def test_every_format_carries_its_card_and_predicts(run, form, tmp_path):
    _, (_, task, method) = run
    images = task.streams["target"].images[:4]
    out = export.output_paths(str(tmp_path / "model"), [form])[form]
    estimate = Estimate(0.75, 0.6, 0.9)
    card = card_of(run, estimate=estimate, warnings=["Few source pictures of cup (9)."])
    row = export.export_network(method.network, task.classes, out, images, form, card)
    if form.startswith("tflite"):
        with zipfile.ZipFile(out) as archive:
            texts = {name: archive.read(name).decode() for name in (README, JSON)}
    else:
        texts = {name: (tmp_path / out / name).read_text("utf-8") for name in (README, JSON)}
    found = json.loads(texts[JSON])
    assert found["estimate"] == {"value": 0.75, "low": 0.6, "high": 0.9} and found["classes"] == list(task.classes)
    assert found["export"] == row and found["exported_with"]["tfuda"] == VERSION
    assert "Estimated accuracy on the target: 75 %, between 60 % and 90 %." in texts[README]
    assert "- Few source pictures of cup (9)." in texts[README] and "predict --model=" in texts[README]
    model = export.open_model(out)
    assert model.classes == list(task.classes) and model(images).shape == (4, len(task.classes))


def test_a_network_without_a_run_has_a_card_of_its_classes(run, tmp_path):
    _, (_, task, method) = run
    export.export_network(method.network, task.classes, tmp_path / "m", task.streams["target"].images[:2])
    text = (tmp_path / "m" / README).read_text("utf-8")
    assert "The accuracy on the target is not known, and was not estimated." in text and "- None." in text
    assert "The license of the weights that training started from is not known." in text
    assert set(json.loads((tmp_path / "m" / JSON).read_text())) == {"classes", "exported_with", "export"}


def test_the_same_run_gives_the_same_card(run):
    assert model_card.texts(card_of(run), ROW, "") == model_card.texts(card_of(run), ROW, "")


def test_numbers_that_are_not_finite_are_null_and_bars_do_not_break_tables():
    card = Card(("a|b", "c"), source_counts=[1, 2], validators={"im": math.nan}, estimate=(math.nan, 0.0, 1.0))
    found = json.loads(model_card.as_json(card, ROW))
    assert found["validators"] == {"im": None} and found["estimate"]["value"] is None
    text = model_card.as_markdown(card, ROW, "")
    assert "| 0 | a\\|b | 1 |" in text and "was not estimated" in text


@pytest.mark.parametrize(
    ("name", "options", "key", "license"),
    [
        ("resnet50", {}, "resnet50", "BSD-3-Clause"),
        ("resnet", {"depth": 18}, "resnet18", "BSD-3-Clause"),
        ("efficientnet_lite0", {}, "efficientnet_lite0", "Apache-2.0"),
        ("applications", {"model": "VGG16"}, "VGG16", "CC-BY-4.0"),
    ],
)
def test_the_license_of_imagenet_weights_is_that_of_the_table(name, options, key, license):
    config = tiny.config("dann", weights="imagenet")
    config.network.name = name
    with config.unlocked():
        config.network_options = options
    assert card_facts.starting_weights(config) == (f"ImageNet weights of {key}", license)
    config.weights = "/home/someone/mine.h5"
    assert card_facts.starting_weights(config) == ("a file of the user", "")


def test_every_published_file_states_its_license():
    stated = {entry.get("license") for entry in pretrained.table().values()}  # None of one that states none
    assert stated == {"Apache-2.0", "BSD-3-Clause", "MIT", "CC-BY-4.0"}
