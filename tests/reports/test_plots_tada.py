"""Of trained runs: attention to regions, features of several runs side by side, GSDA's gradient norms."""

import keras
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from pictures import assert_picture, config, drawn, plot, said, texts
from test_attention_transfer import stages

from tfuda import figure_style
from tfuda.evaluation import evaluate
from tfuda.experiment import build, training
from tfuda.experiment.workdir import Workdir
from tfuda.networks.attention import RegionAttention
from tfuda.networks.base import Network
from tfuda.reports import plots
from tfuda.reports.plots import attention, embedding
from tfuda.reports.plots.regions import blocks, weights

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")

figures = pytest.fixture(drawn)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of three runs of one task; that of GSDA sees 5 source test images where the others see 12."""
    folder = tmp_path_factory.mktemp("runs")
    cells = {"source_only": {}, "tada": {}, "gsda": {"source_test": 5, "seed": 1}}
    for cell, changes in cells.items():
        training.train_run(config(cell, **changes), Workdir(folder / cell))
    return {cell: str(folder / cell) for cell in cells}


# ---- attention


def test_the_map_of_weights_is_that_of_equation_3_at_every_place():
    keras.utils.set_random_seed(0)
    net = Network(stages(), 5, (24, 32), attention=RegionAttention(8, shared=True))
    images = np.random.default_rng(0).integers(0, 256, [3, 24, 32, 3], "uint8")
    maps = net(images).maps[-1].numpy()  # [3, 4, 6, 6]
    logits = net.attention.discriminators(maps.reshape(-1, maps.shape[-1])).numpy()
    p = 1 / (1 + np.exp(-logits.reshape(maps.shape[:3])))
    expected = 1 + p * np.log(p) + (1 - p) * np.log(1 - p)
    np.testing.assert_allclose(weights(net, images), expected, rtol=1e-4, atol=1e-6)


def test_an_images_own_range_is_the_whole_scale():
    view = np.array([[0.4, 0.5, 0.6]])
    np.testing.assert_allclose(blocks(view), [[attention.HEAT(x)[:3] for x in (0.0, 0.5, 1.0)]], atol=0.01)
    np.testing.assert_array_equal(blocks(0 * view + 0.3), [3 * [attention.HEAT(0.0)[:3]]])


def test_attention_shows_the_image_the_map_and_both(runs, tmp_path, figures):
    plots.regions(runs["tada"], tmp_path / "x.png")
    _, task, method = training.load_run(runs["tada"])
    *cells, bar = figures[0].axes
    assert [axes.get_title() for axes in cells[:3]] == ["image", "attention w", "w over the image"]
    rows = [cells[i : i + 3] for i in range(0, len(cells), 3)]
    sides = ["source", "source", "target", "target", "target", "target"]
    observer = evaluate.Observer(method.network)
    predicted = {side: observer(domain.images).logits.argmax(1) for side, domain in task.tests.items()}
    kinds = {"source": 0, "target": 0}
    for (first, second, third), side in zip(rows, sides, strict=True):
        domain, image = task.tests[side], first.images[0].get_array()
        (k,) = [i for i in range(len(domain)) if np.array_equal(domain.images[i], image)]
        (view,) = weights(method.network, domain.images[[k]])
        np.testing.assert_allclose(second.images[0].get_array(), blocks(view), atol=0.01)
        over = attention.overlay(image, view - view.min(), np.ptp(view))
        np.testing.assert_allclose(third.images[0].get_array(), over, atol=0.01)
        lines = first.get_ylabel().split("\n")
        names = [task.classes[index[k]] for index in (domain.labels, predicted[side])]
        assert lines[:3] == [f"{side} {domain.name}", f"true: {names[0]}", f"predicted: {names[1]}"]
        assert lines[3] == f"w {view.min():.3f} – {view.max():.3f}"
        assert 1 - np.log(2) - 1e-6 <= view.min() < view.max() <= 1
        kinds[side] += names[0] == names[1]
    for side, right in kinds.items():
        known = (task.tests[side].labels == predicted[side]).sum()
        assert right == min(known, sides.count(side) // 2)
    assert [label.get_text() for label in bar.get_yticklabels()] == ["lowest", "highest"]
    assert bar.get_ylabel() == "w of the image"
    assert_picture(tmp_path / "x.png")


def test_a_network_without_attention_is_refused(runs, tmp_path, monkeypatch):
    sentence = said(plots.regions, runs["source_only"], tmp_path / "x.png")
    assert sentence.startswith(f"--workdir={runs['source_only']} is a run of source_only without attention: ")
    assert sentence.endswith("needs one of daaa, or of tada without scope=global")
    of = config("tada[scope=global]")
    task = build.task(of)
    monkeypatch.setattr(training, "load_run", lambda path: (of, task, build.method(of, task)))
    assert said(plots.regions, "run", tmp_path / "x.png").startswith("--workdir=run is a run of tada without")


# ---- tsne of several runs


def coloured(scatter) -> set:
    return {tuple(colour) for colour in scatter.get_edgecolors()}


@pytest.mark.slow
def test_several_runs_stand_side_by_side_with_the_same_images(runs, tmp_path, figures, monkeypatch):
    seen, embed = [], embedding.embed
    monkeypatch.setattr(embedding, "embed", lambda features: seen.append(features) or embed(features))
    plots.tsne([*runs.values()], tmp_path / "x.png")
    panels = figures[0].axes
    domains = training.load_run(runs["source_only"])[1].tests
    for axes, (cell, path), features in zip(panels, runs.items(), seen, strict=True):
        accuracy = 100 * Workdir(path).rows()[-1]["target_accuracy"]
        assert axes.get_title() == f"{cell}\ntarget accuracy {accuracy:.1f} %"
        observer = evaluate.Observer(training.load_run(path)[2].network)
        expected = [observer(domains[side].images).features for side in ("source", "target")]
        np.testing.assert_allclose(features, np.concatenate(expected), rtol=1e-5)
        source, target = axes.collections
        assert len(source.get_offsets()) == 12 and len(target.get_offsets()) == 15
        for scatter, side in ((source, "source"), (target, "target")):
            assert coloured(scatter) == {to_rgba(figure_style.SIDES[side], 0.85)}
    legend = figures[0].legends[0]
    assert texts(legend) == ["source: A", "target: B"]
    assert [h.get_markeredgecolor() for h in legend.legend_handles] == [*figure_style.SIDES.values()]
    assert_picture(tmp_path / "x.png")


def test_one_run_has_colours_of_classes_and_the_untrained_network_before_it(runs, tmp_path, figures):
    plots.tsne([runs["tada"], runs["tada"] + "/"], tmp_path / "x.png")
    titles = [axes.get_title().split("\n")[0] for axes in figures[0].axes]
    assert titles == ["before training (step 0)", "after adaptation: tada (step 2)"]
    assert all(len(coloured(scatter)) == 3 for axes in figures[0].axes for scatter in axes.collections)
    assert texts(figures[0].legends[0])[2:] == ["class 0", "class 1", "class 2"]


def test_before_stands_in_front_of_one_run_and_of_several(runs, tmp_path, figures, monkeypatch):
    monkeypatch.setattr(embedding, "embed", lambda features: features[:, :2])
    for paths in ([runs["tada"]], [runs["tada"], runs["gsda"]]):
        plots.tsne(paths, tmp_path / "x.png", runs["source_only"])
    titles = [[axes.get_title().split("\n")[0] for axes in figure.axes] for figure in figures]
    first = "before adaptation (source_only)"
    assert titles == [[first, "after adaptation: tada (step 2)"], [first, "tada", "gsda"]]


def test_runs_side_by_side_are_of_one_task(runs, tmp_path):
    other = tmp_path / "other"
    with Workdir(other).claim(config("dann", task="B-A")):
        Workdir(other).record(config("dann", task="B-A"))
    sentence = said(plots.tsne, [runs["tada"], str(other)], tmp_path / "x.png")
    assert sentence == f"--workdir={other} has task='B-A', --workdir={runs['tada']} has 'A-B'"


def test_titles_tell_runs_apart():
    names = embedding.titles([config("dann"), config("tada", seed=1), config("tada[scope=local]")])
    assert names == ["dann", "tada, scope=local+global, seed=1", "tada, scope=local, seed=0"]
    long = embedding.titles([config("tada", seed=seed, data=f"package.module:{'load' * 5}") for seed in (0, 1)])
    assert long == ["tada, seed=0", "tada, seed=1"]
    named = embedding.titles([config("tada", data=f"package.module:{name}") for name in ("one", "two")])
    assert named == ["tada, data=package.module:one", "tada, data=package.module:two"]


@pytest.mark.parametrize(("count", "shape"), [(2, (1, 2)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3))])
def test_more_than_three_panels_stand_in_rows(count, shape, tmp_path, figures):
    task = build.task(config())
    points = {side: np.random.default_rng(0).normal(size=[len(task.tests[side]), 2]) for side in embedding.MARKS}
    of = embedding.Cloud("a run", points, {side: task.tests[side].labels for side in embedding.MARKS})
    embedding.draw(count * [of], task, True, tmp_path / "x.png")
    shown = [axes for axes in figures[0].axes if axes.axison]
    assert len(shown) == count and shown[0].get_gridspec().get_geometry() == shape
    assert_picture(tmp_path / "x.png")


@pytest.mark.parametrize(("names", "sides", "expected"), [("abc", True, 3), ("abcd", True, 0), ("abcd", False, 3)])
def test_among_several_runs_only_short_names_of_classes_are_written(names, sides, expected):
    labels = np.arange(60) % 3
    points = 100.0 * np.eye(3)[labels][:, :2] + np.random.default_rng(0).normal(size=[60, 2])
    of = embedding.Cloud("", dict.fromkeys(embedding.MARKS, points), dict.fromkeys(embedding.MARKS, labels))
    axes = Figure().subplots()
    embedding.panel(axes, of, (names, *"xy"), sides)
    assert len(axes.texts) == expected


# ---- GSDA, and the command


def test_sync_of_a_trained_run_draws_its_metrics(runs, tmp_path, figures):
    plots.sync([runs["gsda"]], tmp_path / "x.png")
    (row,) = Workdir(runs["gsda"]).rows()
    norms, synchrony = figures[0].axes
    values = [line.get_ydata()[0] for line in (*norms.lines, *synchrony.lines)]
    assert values == [row[name] for name in ("domain_norm", "groups_norm", "classes_norm", "synchrony")]
    assert min(values) > 0
    assert_picture(tmp_path / "x.png")


@pytest.mark.slow
def test_the_command_takes_several_folders_for_sync_and_tsne_and_one_for_attention(runs, tmp_path):
    both, tsne = f"--workdir={runs['tada']},{runs['gsda']}", tmp_path / "tsne.png"
    attention = f"{runs['tada']}/plots/attention.png"
    assert plot("--what=tsne", both, f"--before={runs['source_only']}", f"--out={tsne}") == str(tsne)
    assert plot("--what=attention", f"--workdir={runs['tada']}") == attention
    refused = {
        ("attention", both): "and sync and tsne and cam and changed take several",
        ("sync", both): f"--workdir={runs['tada']} is a run of tada without the column 'domain_norm' in its metrics: "
        "--what=sync is for runs of gsda and daaa",
        ("labels",): "--workdir is missing: labels and domains take --config and --out in its place",
    }
    for (what, *words), sentence in refused.items():
        assert plot(f"--what={what}", *words, code=2).endswith(sentence)
    assert_picture(tsne, 9.2, 3.8)
    assert_picture(attention, 5.85, 7.1)
