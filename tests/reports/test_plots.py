"""Pictures show what their formulas say, have the size they should have, and refuse in one sentence."""

import contextlib
import pathlib
import shutil

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure
from pictures import assert_picture, of_rounds, pixels, plot, recorded

from tfuda.data.tasks import Domain
from tfuda.evaluation import evaluate
from tfuda.experiment import build, defaults, training
from tfuda.experiment.workdir import Workdir
from tfuda.reports import plots
from tfuda.reports.plots import embedding, history, matrix, sheet

pytestmark = pytest.mark.usefixtures("few_digits", "untraced")


def tiny(cell: str, **changes):
    config = defaults.default_config(cell)
    config.data, config.task = "digits", "H-M"
    config.steps, config.segment, config.batch = 4, 2, 8
    config.network_options = {"widths": (4, 4, 4), "convolutions": 1}
    config.update(changes)
    return config


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a run of source_only and one of dannp+toalign."""
    folder = tmp_path_factory.mktemp("runs")
    for cell in ("source_only", "dannp+toalign"):
        training.train_run(tiny(cell), Workdir(folder / cell))
    return folder


def made(folder: pathlib.Path, rows: list[dict], **changes) -> str:
    return recorded(folder, tiny("dannp", **changes), rows)


def journal(seed: int, count: int = 5) -> list[dict]:
    rng = np.random.default_rng(seed)
    names = ("loss", "task", "domain", "source_accuracy", "target_accuracy", "val_corrc")
    return [{"step": 10 * (i + 1), **{name: rng.random() for name in names}} for i in range(count)]


# ---- curves


def test_the_band_of_several_seeds_is_numpys_mean_and_sample_deviation():
    seeds = [journal(seed) for seed in range(3)]
    steps, mean, spread = history.band(seeds, "target_accuracy")
    values = np.array([[row["target_accuracy"] for row in rows] for rows in seeds])
    np.testing.assert_array_equal(steps, [10, 20, 30, 40, 50])
    np.testing.assert_allclose(mean, np.mean(values, axis=0))
    np.testing.assert_allclose(spread, np.std(values, axis=0, ddof=1))


def test_a_band_covers_the_steps_that_all_seeds_have():
    steps, mean, spread = history.band([journal(0, 5), journal(1, 3)], "task")
    assert list(steps) == [10, 20, 30] and mean.shape == spread.shape == (3,)


def test_a_single_run_has_no_spread():
    rows = journal(0)
    _, mean, spread = history.band([rows], "task")
    assert list(mean) == [row["task"] for row in rows] and not spread.any()


def test_seeds_are_one_line_and_options_that_differ_are_named(tmp_path):
    paths = [made(tmp_path / f"{s}", journal(s), seed=s) for s in range(2)]
    paths.append(made(tmp_path / "batch", journal(3), batch=16))
    groups = history.grouped([history.read_history(path) for path in paths])
    labels = ["dannp, H → M, batch=8 (mean ± std of 2 seeds)", "dannp, H → M, batch=16"]
    assert [group.label for group in groups] == labels
    assert [len(group.runs) for group in groups] == [2, 1]


def test_the_marked_step_is_the_one_of_the_result():
    rows = journal(4)
    config = tiny("dannp")
    result = training.summary(config, [{**row, "seconds": 0.0} for row in rows])
    axes = Figure().subplots()
    assert history.mark(axes, [history.Group("", [rows], config.select)])
    assert axes.get_lines()[0].get_xdata() == [result["selected_step"]]
    assert not history.mark(axes, [history.Group("", [rows], "last")])


def test_loss_terms_are_the_columns_that_are_neither_total_nor_measured():
    assert history.terms([history.Group("", [journal(0)])]) == ["task", "domain"]


def test_curves_draw_one_run_several_and_unlabelled_ones(tmp_path):
    one = [made(tmp_path / "one", journal(0))]
    several = [*one, made(tmp_path / "two", journal(1), seed=1), made(tmp_path / "three", journal(2), batch=16)]
    blind = [{k: v for k, v in row.items() if k != "target_accuracy"} for row in journal(0)]
    for paths, height in ((one, 3.37), (several, 3.71), ([made(tmp_path / "blind", blind, shots=1)], 3.37)):
        plots.curves(paths, tmp_path / "new" / "curves.png")
        assert_picture(tmp_path / "new" / "curves.png", 7.0, height)


def test_a_run_named_twice_counts_once(tmp_path):
    path = made(tmp_path / "run", journal(0))
    plots.curves([path], tmp_path / "once.png")
    plots.curves([path, path + "/"], tmp_path / "twice.png")
    np.testing.assert_array_equal(pixels(tmp_path / "once.png"), pixels(tmp_path / "twice.png"))


# ---- the others


def test_confusion_rows_are_percents_of_the_true_class():
    cells = matrix.shares(np.array([[3, 1, 0], [0, 5, 0], [0, 0, 0]]))
    np.testing.assert_array_equal(cells[:2], [[75, 25, 0], [0, 100, 0]])
    assert np.isnan(cells[2]).all()


@pytest.mark.parametrize(("count", "side"), [(3, 4.0), (25, 9.8), (150, 10.0)])
def test_confusion_draws_few_and_many_classes(tmp_path, count, side):
    logits = np.random.default_rng(0).normal(size=[500, count])
    score = evaluate.score(np.arange(500) % (count - 1), logits)  # the last class has no image
    plots.confusion(score, [f"_class $number$ {k}" for k in range(count)], "a title", tmp_path / "c.png")
    assert_picture(tmp_path / "c.png", side + 0.6, side)


@pytest.mark.parametrize("features", [np.zeros([20, 5]), np.arange(20.0)[:, None], np.eye(4)])
def test_tsne_takes_constant_narrow_and_few_features(features):
    points = embedding.embed(features.astype("float32"))
    assert points.shape == (len(features), 2) and np.isfinite(points).all()


def test_tsne_says_that_a_training_diverged():
    with pytest.raises(ValueError, match="diverged"):
        embedding.embed(np.full([20, 5], np.nan))


def test_a_domain_shows_at_most_500_points_always_the_same():
    domain = Domain("x", ("a",), np.arange(800), np.zeros(800, "int32"))
    first, again = embedding.part_of_domain(domain).images, embedding.part_of_domain(domain).images
    assert len(np.unique(first)) == 500 and np.array_equal(first, again)


def test_a_class_is_named_in_the_plane_only_where_it_keeps_together():
    points = np.random.default_rng(0).normal(size=[100, 2])
    left, mixed = points[:, 0] < 0, np.arange(100) % 4 == 0
    np.testing.assert_allclose(embedding.middle(points, left), np.median(points[left], 0))
    assert embedding.middle(points, mixed) is None
    assert embedding.middle(points, np.zeros(100, bool)) is None


def test_the_sheet_shows_the_first_images_of_every_class_in_its_column():
    images = np.arange(8, dtype="uint8").repeat(4 * 4 * 3).reshape(8, 4, 4, 3)
    domain = Domain("x", ("a", "b"), images, np.array([1, 0, 1, 0, 1, 0, 1, 0]))
    titles, rows = sheet.columns(domain)
    assert titles == ["a", "b"] and [list(row) for row in rows] == [[1, 3, 5], [0, 2, 4]]
    shown = sheet.montage(images, rows)
    assert shown.shape == (3 * 5 - 1, 2 * 5 - 1, 3)
    np.testing.assert_array_equal(shown[::5, ::5, 0], [[1, 0], [3, 2], [5, 4]])
    assert (shown[4] == 255).all()


def sheets(tmp_path, monkeypatch, names, load):
    """What the sheet of these domains shows: for each panel the number of named columns and the line below it."""
    shown = []
    monkeypatch.setattr(sheet, "names", lambda config: names)
    monkeypatch.setattr(sheet.build, "loader", lambda config: load)
    real = sheet.figure_style.page

    @contextlib.contextmanager
    def page(*args):
        with real(*args) as figure:
            yield figure
            shown.extend((len(axes.get_xticks()), axes.get_xlabel()) for axes in figure.axes)

    monkeypatch.setattr(sheet.figure_style, "page", page)
    sheet.domains(tiny("dann"), tmp_path / "sheet.png")
    return shown


def test_a_sheet_shows_pictures_once_that_train_and_test(tmp_path, monkeypatch):
    """And then more classes; names stand above the first row, and where the classes are others."""
    classes = tuple(f"class {k}" for k in range(30))
    images, labels = np.zeros([60, 8, 8, 3], np.uint8), np.arange(60, dtype=np.int32) % 30
    other = ("else", *classes[1:])
    made = {name: Domain(name, other if name == "C" else classes, images, labels) for name in "ABC"}
    shown = sheets(tmp_path, monkeypatch, [*made], lambda name, split: made[name])
    assert shown == [(count, "60 images, 30 classes") for count in (20, 0, 20)]
    shown = sheets(tmp_path, monkeypatch, [*made], lambda name, split: made[name].rows(np.arange(60)))
    parts = [f"{split}: 60 images, 30 classes" for split in ("train", "test")]
    assert shown == [(count, part) for count in (10, 0, 10) for part in parts]


def test_domains_are_the_modules_or_else_the_tasks():
    build.loader(tiny("dann"))  # imports the module, as the picture does
    assert sheet.names(tiny("dann")) == ["H", "M", "R", "S"]
    assert sheet.names(tiny("dann", data="mine:load", task="A+B-C")) == ["A", "B", "C"]
    assert sheet.names(tiny("dann", data="office31", task="A-W")) == ["amazon", "dslr", "webcam"]


# ---- of real runs


@pytest.mark.slow
def test_every_picture_of_a_run_has_its_size_and_is_the_same_again(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "POINTS", 80)
    run = str(runs / "dannp+toalign")
    sizes = {"cam": (6.8, 7.2), "confusion": (5.6, 5.0), "tsne": (7.2, 3.9), "domains": (7.2, 4.98)}
    draw = {
        "cam": lambda out: plots.cam([run], out),
        "confusion": lambda out: plots.confusion_of_run(run, out),
        "tsne": lambda out: plots.tsne([run], out, str(runs / "source_only")),
        "domains": lambda out: plots.domains(Workdir(run).config(), out),
    }
    for what, (width, height) in sizes.items():
        draw[what](tmp_path / f"{what}.png")
        assert_picture(tmp_path / f"{what}.png", width, height)
    plots.cam([run], tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "cam.png").read_bytes()


def test_before_has_to_be_a_source_only_run_of_the_same_task(runs, tmp_path):
    run, config = str(runs / "source_only"), Workdir(runs / "source_only").config()
    with pytest.raises(ValueError, match="one of source_only"):
        embedding.earlier(config, None, str(runs / "dannp+toalign"))
    config.task = "R-S"
    with pytest.raises(ValueError, match="task='H-M', the run has 'R-S'"):
        embedding.earlier(config, None, run)


def test_without_before_the_left_panel_is_the_network_as_it_was_initialised(runs):
    config, task, trained = training.load_run(runs / "source_only")
    title, initial = embedding.earlier(config, task, "")
    keras.utils.set_random_seed(config.seed)
    fresh = build.network(config, task)
    assert "step 0" in title
    np.testing.assert_array_equal(initial.network.head.kernel, fresh.head.kernel)
    assert not np.array_equal(initial.network.head.kernel, trained.network.head.kernel)


def test_what_is_missing_is_said_in_one_sentence(runs, tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="holds no run"):
        plots.curves([str(tmp_path / "nothing")], tmp_path / "x.png")
    with pytest.raises(ValueError, match="no metrics yet"):
        plots.curves([made(tmp_path / "early", [])], tmp_path / "x.png")
    with pytest.raises(FileNotFoundError, match="no checkpoint yet"):
        plots.cam([made(tmp_path / "unsaved", journal(0))], tmp_path / "x.png")
    many = [made(tmp_path / f"m{i}", journal(0), batch=i) for i in range(1, 10)]
    with pytest.raises(ValueError, match="9 different runs are too many"):
        plots.curves(many, tmp_path / "x.png")
    config, task, method = training.load_run(runs / "source_only")
    tests = {**task.tests, "target": task.tests["target"].unlabelled()}
    monkeypatch.setattr(training, "load_run", lambda path: (config, task._replace(tests=tests), method))
    with pytest.raises(ValueError, match="target domain M has no labels"):
        plots.confusion_of_run(str(runs / "source_only"), tmp_path / "x.png")
    plots.cam([str(runs / "source_only")], tmp_path / "x.png")  # which needs none


def test_the_command_draws_and_says_where_and_nothing_else(runs, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(runs / "dannp+toalign", run)
    words = [f"--workdir={run},{runs / 'source_only'}", "--what=curves"]
    assert plot(*words, cwd=tmp_path) == f"{run}/plots/curves.png"
    assert_picture(run / "plots" / "curves.png", 7.0, 3.71)


def test_the_command_takes_several_folders_of_rounds_and_a_config_for_labels(tmp_path):
    folders = [of_rounds(tmp_path / str(seed), ["predicted,0,0,0.5,0,0,0.6"], seed=seed) for seed in (0, 1)]
    file, labels, rounds = tmp_path / "mine.py", tmp_path / "labels.png", f"{folders[0]}/plots/rounds.png"
    file.write_text("from pictures import config as get_config\n")
    assert plot("--what=rounds", f"--workdir={','.join(folders)}") == rounds
    assert plot("--what=labels", f"--config={file}", f"--out={labels}") == str(labels)
    assert_picture(rounds, 7.0, 3.4)
    assert_picture(labels, 6.0, 3.6)
