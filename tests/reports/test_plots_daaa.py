"""The pictures of DAAA's paper: pairs and what an oracle reads of them, attention of several networks, L_AT."""

import shutil

import numpy as np
import pictures
import pytest
from pictures import assert_picture, drawn, pixels, plot, said

from tfuda import figure_style
from tfuda.data.tasks import Domain
from tfuda.evaluation import evaluate
from tfuda.experiment import build, training
from tfuda.experiment.workdir import Workdir
from tfuda.reports import plots
from tfuda.reports.plots import attention, networks, oracle
from tfuda.reports.plots.pairs import find, verdict, whereabouts

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")

figures = pytest.fixture(drawn)


def load(domain: str, split: str) -> Domain:
    """A loader for config.data: 3 classes and 24 images, which differ from split to split."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(3, dtype="int32"), 8))
    rng = np.random.default_rng([ord(domain), len(split)])
    images = rng.integers(0, 256, [24, 16, 16, 3]) // 2 + 50 * labels[:, None, None, None]
    return Domain(domain, ("zero", "one", "two"), images.clip(0, 255).astype("uint8"), labels)


def config(cell: str, **changes):
    return pictures.config(cell, data=f"{__name__}:load", batch=20, **changes)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of a run of DAAA with all its stages, and of an oracle."""
    folder = tmp_path_factory.mktemp("runs")
    training.train_run(config("daaa", steps=3), Workdir(folder / "daaa"))
    training.train_run(config("source_only", task="B-B"), Workdir(folder / "oracle"))
    return {name: str(folder / name) for name in ("daaa", "oracle")}


def unfinished(runs, folder) -> str:
    """A copy of the pairs, as they were before the last file was written."""
    shutil.copytree(f"{runs['daaa']}/pairs", folder)
    (folder / "index.json").unlink()
    return str(folder)


# ---- pairs


def cell(sheet: np.ndarray, i: int, j: int, side: int = 16) -> np.ndarray:
    step = side + 1
    return sheet[i * step : i * step + side, j * step : j * step + side]


def test_every_picture_stands_above_its_translation(runs, tmp_path, figures):
    plots.pairs(runs["daaa"], tmp_path / "x.png")
    task = build.task(config("daaa"))
    for axes, side, name in zip(figures[0].axes, ("source", "target"), ("source_as_target", "target_as_source")):
        domain, made_of = task.streams[side], np.load(f"{runs['daaa']}/pairs/{name}.npy")
        sheet, shown = axes.images[0].get_array(), []
        assert sheet.shape == (4 * 17 - 1, 10 * 17 - 1, 3)
        for i, j in np.ndindex(2, 10):
            (row,) = [r for r in range(24) if np.array_equal(domain.images[r], cell(sheet, 2 * i, j))]
            np.testing.assert_array_equal(cell(sheet, 2 * i + 1, j), made_of[row])
            shown.append(row)
        assert len({*shown}) == 20
        labels = task.trains[side].labels[shown].tolist()
        if side == "source":
            assert labels == sorted(labels[:10]) + sorted(labels[10:])
            assert min(labels[:10].count(k) for k in range(3)) >= 3
        else:
            assert shown == sorted(shown)
        there = {"A": "as B", "B": "as A"}[domain.name]
        assert [label.get_text() for label in axes.get_yticklabels()] == 2 * [domain.name, there]
    assert figures[0].get_suptitle() == "A → B: training pictures and their translations"
    assert figures[0].axes[0].get_title() == ""
    assert_picture(tmp_path / "x.png")


def test_the_folder_of_the_pairs_gives_the_picture_of_the_run(runs, tmp_path):
    for name, path in (("run", runs["daaa"]), ("pairs", f"{runs['daaa']}/pairs")):
        plots.pairs(path, tmp_path / f"{name}.png")
    assert (tmp_path / "run.png").read_bytes() == (tmp_path / "pairs.png").read_bytes()


def test_pairs_are_found_where_the_config_names_them(runs, tmp_path):
    named = tmp_path / "A-B" / "0"
    shutil.copytree(f"{runs['daaa']}/pairs", named)
    of = config("daaa")
    of.pairs.folder = str(tmp_path / "{task}" / "{seed}")
    Workdir(tmp_path).record(of)
    assert whereabouts(str(tmp_path))[1] == named
    plots.pairs(str(tmp_path), tmp_path / "x.png")


def test_the_oracles_shares_are_counted_over_all_source_and_all_real_test_pictures(runs, tmp_path, figures):
    lines = []
    plots.pairs(f"{runs['daaa']}/pairs", tmp_path / "x.png", runs["oracle"], lines.append)
    network = training.load_run(runs["oracle"])[2].network
    source, target = load("A", "train"), load("B", "test")
    counts = []
    for images, labels in (
        (np.load(f"{runs['daaa']}/pairs/source_as_target.npy"), source.labels),
        (target.images, target.labels),
    ):
        logits = network(images, training=False).logits.numpy()
        counts.append(sum(int(row.argmax()) == label for row, label in zip(logits, labels, strict=True)))
    expected = (
        f"oracle reads {100 * counts[0] / 24:.1f} % of 24 translated pictures as their label; "
        f"{100 * counts[1] / 24:.1f} % of real test pictures of B"
    )
    assert lines == [expected] and figures[0].axes[0].get_title() == expected
    assert_picture(tmp_path / "x.png")


def test_the_verdict_counts_right_pictures(runs, monkeypatch):
    """With an oracle that says what it is told to."""
    found, network = find(runs["daaa"]), training.load_run(runs["oracle"])[2].network
    there, real = found.translated["source_as_target"], found.task.tests["target"]

    def told(images):
        of, wrong = (there, 6) if images is there.images else (real, 3)
        return type("Seen", (), {"logits": np.eye(3)[(of.labels + (np.arange(24) < wrong)) % 3]})

    monkeypatch.setattr(evaluate, "Observer", lambda network: told)
    assert verdict(network, found, "x") == (
        "oracle reads 75.0 % of 24 translated pictures as their label; 87.5 % of real test pictures of B"
    )


# ---- attention


def by_hand(network, images: np.ndarray) -> np.ndarray:
    """A_2, of the layers of 16 × 16, 8 × 8 and 4 × 4: [B, 8, 8]."""
    network.shown = "layers"
    maps = network(images, training=False).maps
    assert [of.shape[1] for of in maps] == [16, 8, 4]
    pooled = (maps[1].numpy() ** 2).sum(-1)
    return pooled / np.sqrt((pooled**2).sum((1, 2), keepdims=True))


def test_attention_of_the_source_network_the_adapted_one_and_the_oracle(runs, tmp_path, figures):
    plots.attention_of_run(runs["daaa"], tmp_path / "x.png", runs["oracle"])
    folders = [f"{runs['daaa']}/teacher", runs["daaa"], runs["oracle"]]
    names = ["source network", "adapted network", "oracle"]
    seen = {name: training.load_run(path)[2].network for name, path in zip(names, folders)}
    *cells, bar = figures[0].axes
    width = 1 + len(seen)
    assert [axes.get_title() for axes in cells[:width]] == ["image", *seen]
    assert figures[0].get_suptitle() == "daaa, A → B: attention, layer 2 of 3, 8 × 8"
    domain = load("B", "test")
    for i in range(0, len(cells), width):
        image = cells[i].images[0].get_array()
        (k,) = [k for k in range(24) if np.array_equal(domain.images[k], image)]
        said_of = {name: int(net(image[None]).logits.numpy().argmax()) for name, net in seen.items()}
        for axes, net in zip(cells[i + 1 : i + width], seen.values(), strict=True):
            (view,) = by_hand(net, image[None])
            expected = attention.overlay(image, view, view.max())
            np.testing.assert_allclose(axes.images[0].get_array(), expected, atol=0.01)
        lines = ["target B", f"true: {domain.classes[domain.labels[k]]}"]
        lines.append(f"predicted: {domain.classes[said_of.pop('adapted network')]}")
        lines += [f"{name}: {domain.classes[label]}" for name, label in said_of.items()]
        assert cells[i].get_ylabel().split("\n") == lines
    assert len(cells) == 6 * width and bar.get_ylabel() == "share of the image's maximum"
    assert_picture(tmp_path / "x.png")


def test_networks_are_three_and_the_maps_are_the_aligned_ones(runs):
    of, task, method = training.load_run(runs["daaa"])
    teacher = networks.teacher(runs["daaa"], of, task)
    judge = networks.judge(runs["oracle"], of, task)
    weights = [net.head.kernel.numpy() for net in (teacher, method.network, judge)]
    assert not any(np.array_equal(weights[i], weights[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert {net.shown for net in (teacher, method.network, judge)} == {"layers"}
    image = load("B", "test").images[:2]
    for pooling, pool in (("absolute", lambda f: np.abs(f).sum(-1)), ("max", lambda f: np.abs(f).max(-1))):
        expected = pool(teacher(image).maps[0].numpy())
        expected = expected / np.sqrt((expected**2).sum((1, 2), keepdims=True))
        np.testing.assert_allclose(networks.look_at_layers(teacher, image, 0, pooling), expected, rtol=1e-4)


# ---- L_AT; more of it in test_plots_daaa_parts.py


def values(axes) -> list:
    return [line.get_xydata().T for line in axes.lines]


def test_the_distance_and_the_accuracy_of_a_trained_run_by_update(runs, tmp_path, figures):
    plots.sync([runs["daaa"]], tmp_path / "x.png")
    rows = Workdir(runs["daaa"]).rows()
    distance, accuracy = figures[0].axes
    assert len(rows) == 2 and rows[0]["attention"] > 0
    np.testing.assert_allclose(values(distance), [[[1, 2], [row["attention"] for row in rows]]])
    np.testing.assert_allclose(values(accuracy), [[[1, 2], [100 * row["target_accuracy"] for row in rows]]])
    assert distance.get_ylim()[0] == 0 and "L_AT" in distance.get_ylabel()
    assert {axes.get_xlabel() for axes in figures[0].axes} == {"segment (then a new posterior)"}
    assert figures[0].get_suptitle() == "daaa, A → B"
    assert_picture(tmp_path / "x.png")


# ---- refusals, and the command


def test_what_holds_no_pairs_is_refused(runs, tmp_path):
    neither = "is neither a folder of run/pair.py nor a run with pairs, as of daaa"
    sentence = said(plots.pairs, str(tmp_path), "x")
    assert sentence == f"--workdir={tmp_path} {neither}: {tmp_path}/config.json is missing"
    sentence = said(plots.pairs, runs["oracle"], "x")
    assert sentence == f"--workdir={runs['oracle']} {neither}: it is a run of source_only"
    early = unfinished(runs, tmp_path / "early")
    sentence = said(plots.pairs, early, "x")
    assert sentence.startswith(f"--workdir={early} has no finished pairs: {early}/index.json is missing")
    of = config("daaa")
    of.pairs.folder = early
    Workdir(tmp_path).record(of)
    sentence = said(plots.pairs, str(tmp_path), "x")
    assert sentence.startswith(f"--workdir={tmp_path} has no finished pairs: {early}/index.json is missing")


def test_an_oracle_has_learnt_the_same_classes_of_the_target(runs, tmp_path, monkeypatch):
    of, task, method = training.load_run(runs["daaa"])

    def refused(path):
        return said(oracle.load_oracle, path, of, task)

    nothing, wanted = (
        str(tmp_path / "nothing"),
        "it has to be one of source_only on B-B, which learns real target labels",
    )
    assert refused(nothing) == f"--oracle={nothing} holds no run: {nothing}/config.json is missing"
    pairs = f"{runs['daaa']}/pairs"
    assert refused(pairs) == f"--oracle={pairs} is no run of run/train.py: {wanted}"
    teacher = f"{runs['daaa']}/teacher"
    assert refused(teacher) == f"--oracle={teacher} is a run of source_only on task A-B: {wanted}"
    cases = {"dann": config("dann", task="B-B"), "early": config("source_only", task="B-B")}
    cases["digits"] = pictures.config("source_only", task="B-B", data="digits")
    for name, other in cases.items():
        (tmp_path / name).mkdir()
        Workdir(tmp_path / name).record(other)
    assert refused(f"{tmp_path}/dann") == f"--oracle={tmp_path}/dann is a run of dann on task B-B: {wanted}"
    assert refused(f"{tmp_path}/early") == f"--oracle={tmp_path}/early has no checkpoint yet"
    assert refused(f"{tmp_path}/digits").startswith(f"--oracle={tmp_path}/digits has data='digits', and")
    fewer = task._replace(classes=("zero", "one"))
    monkeypatch.setattr(training, "load_run", lambda path: (of, fewer, method))
    assert refused(runs["oracle"]) == (
        f"--oracle={runs['oracle']} has learnt the classes zero, one, and task A-B has zero, one, two: an oracle has "
        "to have the same"
    )


def test_networks_that_cannot_be_compared_are_refused(runs, tmp_path, monkeypatch):
    of, task, _ = training.load_run(runs["daaa"])
    sentence = said(networks.teacher, str(tmp_path), of, task)
    assert sentence == f"--workdir={tmp_path} lacks its source network: {tmp_path}/teacher holds no finished run"
    of.network_options.widths = (4, 6, 10)
    sentence = said(networks.judge, runs["oracle"], of, task)
    assert sentence.startswith(f"--oracle={runs['oracle']} has another config.network_options than the run")
    network = training.load_run(runs["oracle"])[2].network
    monkeypatch.setattr(network, "size", (20, 24, 3))
    sentence = said(verdict, network, find(runs["daaa"]), "x")
    assert sentence.startswith("--oracle=x reads pictures of 24 × 20 only")


@pytest.mark.slow
def test_the_command_draws_and_prints_what_the_oracle_says(runs, tmp_path):
    run, judged, out = f"--workdir={runs['daaa']}", f"--oracle={runs['oracle']}", tmp_path / "attention.png"
    first, second = plot("--what=pairs", run, judged).splitlines()
    assert first.startswith("oracle reads ") and first.endswith(" % of real test pictures of B")
    assert (second, plot("--what=attention", run, f"--out={out}")) == (f"{runs['daaa']}/plots/pairs.png", str(out))
    sentence = f"{judged} is for --what=attention and pairs, not sync"
    assert plot("--what=sync", run, judged, code=2).endswith(sentence)
    for path in (second, out):
        assert_picture(path)
    assert pixels(out).shape[1] == round(figure_style.DPI * (2.4 + 3 * 1.05))  # two networks
