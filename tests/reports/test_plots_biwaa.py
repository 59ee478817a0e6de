"""The pictures of BIWAA's paper: rounds, sweep and labels; its weighted map is in test_attention.py."""

import pathlib

import numpy as np
import pytest
from pictures import assert_picture, config, drawn, of_rounds, said, texts

from tfuda.reports import plots
from tfuda.reports.plots import points
from tfuda.reports.plots.labels import distance, shares
from tfuda.reports.plots.sweep import AVERAGE, average, lines, swept

figures = pytest.fixture(drawn)


# ---- rounds


def test_rounds_are_means_over_the_folders_that_have_the_round(tmp_path, figures):
    one = [f"predicted,{r},0,{0.5 + r / 10},0,0,{0.6 + r / 10}" for r in range(3)]
    two = [f"predicted,{r},1,{0.7 + r / 10},0,0,{0.8 + r / 10}" for r in range(2)] + ["oracle,0,1,0.9,0,0,0.95"]
    first = of_rounds(tmp_path / "one", one, imbalance="target")
    second = of_rounds(tmp_path / "two", two, ("round0", "oracle0"), seed=1, imbalance="target")
    plots.rounds([first, second, first + "/"], tmp_path / "x.png")
    last, labels = figures[0].axes
    np.testing.assert_allclose(last.lines[0].get_xydata(), [[0, 90]])
    np.testing.assert_allclose(last.lines[1].get_xydata(), [[0, 60], [1, 70], [2, 70]])
    np.testing.assert_allclose(labels.lines[1].get_xydata(), [[0, 70], [1, 80], [2, 80]])
    band = last.collections[1].get_paths()[0].vertices
    deviation = 100 * np.std([0.5, 0.7], ddof=1)
    assert band[:, 0].max() == 1  # of round 2 there is one seed, so no deviation
    np.testing.assert_allclose([band[:, 1].min(), band[:, 1].max()], [60 - deviation, 70 + deviation])
    assert texts(figures[0].legends[0]) == ["true labels: oracle, an upper line", "predicted labels (BIWAA-I)"]
    title = "mstn+biwaa, R → S, target long-tailed to 10 % (mean ± std of up to 2 seeds)"
    assert figures[0].get_suptitle() == title.replace("R → S", "A → B")
    assert_picture(tmp_path / "x.png")


def test_rounds_without_labels_are_one_panel_of_three_kinds_of_line(tmp_path, figures):
    table = [
        f"{name},{r},0,0.{5 + i}{r},0,0," for i, name in enumerate(("predicted", "random", "oracle")) for r in (0, 1)
    ]
    plots.rounds([of_rounds(tmp_path / "run", table, mean_class=True)], tmp_path / "x.png")
    (axes,) = figures[0].axes
    assert axes.get_ylabel() == "mean over classes (%)" and axes.get_xlabel() == "round"
    assert [list(line.get_ydata()) for line in axes.lines] == [[70, 71], [50, 51], [60, 61]]
    assert axes.lines[1].get_linestyle() == "-" and {axes.lines[i].get_linestyle() for i in (0, 2)} == {"--"}
    assert len({line.get_color() for line in axes.lines}) == 3
    assert figures[0].get_suptitle() == "mstn+biwaa, A → B"
    assert_picture(tmp_path / "x.png")


def test_rounds_refuses_folders_that_are_not_seeds_of_one_run(tmp_path):
    table = ["predicted,0,0,0.5,0,0,"]
    run = of_rounds(tmp_path / "run", table, ("round0", "oracle0"))
    for key, value in (("task", "B-A"), ("imbalance", "source"), ("steps", 9)):
        other = of_rounds(tmp_path / key, table, seed=1, **{key: value})
        assert f"--workdir={other} differs from {run} in {key} ({value!r}, not" in said(
            plots.rounds, [run, other], "x"
        )
    assert "has the seed 0, as" in said(plots.rounds, [run, of_rounds(tmp_path / "twin", table)], "x")
    other = of_rounds(tmp_path / "other", ["oracle,0,1,0.5,0,0,"], ("oracle0",), seed=1)
    assert "has no round that the other folders have too" in said(plots.rounds, [run, other], "x")
    prior = of_rounds(tmp_path / "prior", table, seed=1, prior="/elsewhere/prior.npz")
    plots.rounds([run, prior], tmp_path / "x.png")
    assert_picture(tmp_path / "x.png")


def test_rounds_says_what_is_missing(tmp_path):
    assert said(plots.rounds, [str(tmp_path)], "x").endswith(f"{tmp_path}/rounds.csv is missing")
    bare = of_rounds(tmp_path / "bare", ["random,1,0,0.5,0,0,"], ())
    assert f"{bare}/random1/config.json is missing" in said(plots.rounds, [bare], "x")
    blind = of_rounds(tmp_path / "blind", ["predicted,0,0,,,,"])
    assert f"{blind}/rounds.csv has no accuracies" in said(plots.rounds, [blind], "x")
    strange = of_rounds(tmp_path / "strange", ["mine,0,0,0.5,0,0,"])
    assert f"{strange}/rounds.csv has the loader 'mine'" in said(plots.rounds, [strange], "x")
    assert "has no rows yet" in said(plots.rounds, [of_rounds(tmp_path / "early", [])], "x")
    (tmp_path / "bare" / "rounds.csv").write_text("loader,round,last\n")
    assert "bare/rounds.csv lacks the column 'labels'" in said(plots.rounds, [bare], "x")
    (tmp_path / "bare" / "rounds.csv").write_text("loader,round,last,labels\nrandom,0,much,0\n")
    assert "bare/rounds.csv, row 1: could not convert" in said(plots.rounds, [bare], "x")


# ---- sweep


def of_benchmark(folder, rows: list[tuple]) -> pathlib.Path:
    """A folder of run/benchmark.py with rows (cell, task, seed, last)."""
    folder.mkdir()
    table = [
        "cell,task,seed,last,selected,oracle,source,seconds",
        *(f"{','.join(map(str, r))},0,0,0,1" for r in rows),
    ]
    (folder / "results.csv").write_text("\n".join(table) + "\n")
    return folder


def test_a_sweeps_values_are_those_of_the_cells_and_their_defaults():
    of = swept(["dann", "dann+biwaa[factor=2]", "dann+biwaa", "source_only"])
    assert of.values == {"dann+biwaa[factor=2]": 2, "dann+biwaa": 10} and of.option == "weigher_options.factor"
    assert of.references == ["dann", "source_only"]
    assert swept(["dann[hidden=8]+biwaa", "dann[hidden=16]+biwaa"]).option == "options.hidden"


def test_a_sweep_is_of_one_numeric_option():
    two = "dann+biwaa[factor=2]"
    assert "no two cells of dann, dann+biwaa differ" in said(swept, ["dann", "dann+biwaa"])
    assert "differ in hidden and factor: the cells" in said(swept, [two, "dann[hidden=8]+biwaa"])
    assert "differ in nothing: the" in said(swept, ["dann+biwaa", "dann+biwaa[factor=10]"])
    assert "factor=2.0, which another cell has too" in said(swept, [two, "dann+biwaa[factor=2.0]", "dann+biwaa"])
    assert "belong to two sweeps" in said(swept, [two, "dann+biwaa", "dann", "dann[hidden=8]"])
    assert "squash='softmax': a sweep" in said(
        swept, ["dannp+toalign[squash=softmax]", "dannp+toalign[squash=sigmoid]"]
    )
    assert "entropic=" in said(swept, ["dann[entropic=True]", "dann[entropic=False]"])


def test_the_average_is_of_the_values_that_all_tasks_have():
    assert average([{2: [0.5, 0.7], 4: [0.9]}, {2: [0.8]}]) == {2: [pytest.approx(0.7)]}
    rows = [{"cell": "a", "task": "A-B", "last": 0.5}, {"cell": "b", "task": "A-B", "last": np.nan}]
    assert lines(rows, {"a": 2, "b": 4}, ["A-B"]) == {"A-B": {2: [0.5]}}
    assert lines(rows, {"a": 2}, ["A-B", "B-A"])[AVERAGE] == {}


def test_a_sweep_draws_a_line_for_every_task_and_a_level_for_a_cell_without_the_option(tmp_path, figures):
    rows = [
        (f"dann+biwaa[factor={f}]", task, seed, 0.4 + f / 100 + t / 10 + seed / 50)
        for f in (2, 6, 10)
        for t, task in enumerate(("A-B", "B-A"))
        for seed in (0, 1)
    ]
    levels = [("dann", "A-B", 0, 0.3), ("dann", "A-B", 1, 0.34), ("dann", "B-A", 0, 0.4)]
    plots.sweep(of_benchmark(tmp_path / "two", rows + levels), tmp_path / "x.png")
    (axes,) = figures[0].axes
    first, second, mean, *dashed = axes.lines
    np.testing.assert_allclose(first.get_xydata(), [[2, 43], [6, 47], [10, 51]])
    np.testing.assert_allclose(second.get_ydata(), [53, 57, 61])
    np.testing.assert_allclose(mean.get_ydata(), [48, 52, 56])
    assert mean.get_linewidth() > first.get_linewidth()
    np.testing.assert_allclose([line.get_ydata()[0] for line in dashed], [32, 40, 36])
    assert {line.get_linestyle() for line in dashed} == {"--"}
    assert [a.get_color() for a in dashed] == [a.get_color() for a in axes.lines[:3]]
    band = axes.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose(band[:, 1].min(), 43 - 100 * np.std([0, 0.02], ddof=1))
    assert texts(figures[0].legends[0]) == ["A → B", "B → A", AVERAGE, "dann"]
    assert axes.get_title() == "dann+biwaa (mean ± std of 2 seeds)"
    assert (axes.get_xlabel(), axes.get_xscale(), list(axes.get_xticks())) == ("factor", "linear", [2, 6, 10])
    assert_picture(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("values", "kind"), [((0.1, 1, 10), "linear"), ((0.1, 1, 11), "log"), ((0, 1, 1000), "linear")]
)
def test_a_sweeps_axis_is_logarithmic_over_more_than_two_decades(tmp_path, figures, values, kind):
    rows = [(f"dann+biwaa[factor={v}]", "A-B", 0, 0.5) for v in values]
    plots.sweep(of_benchmark(tmp_path / "run", rows), tmp_path / "x.png")
    (axes,) = figures[0].axes
    assert axes.get_xscale() == kind and axes.get_title() == "dann+biwaa, A → B"
    assert all("$" not in label.get_text() for label in axes.get_xticklabels())
    assert_picture(tmp_path / "x.png")


def test_of_many_tasks_only_the_average_has_a_level(tmp_path, figures):
    tasks = [f"A-{k}" for k in range(7)]
    rows = [(cell, task, 0, 0.5) for cell in ("dann", "dann+biwaa[factor=2]", "dann+biwaa") for task in tasks]
    plots.sweep(of_benchmark(tmp_path / "run", rows), tmp_path / "x.png")
    assert len(figures[0].axes[0].lines) == 7 + 1 + 1
    assert texts(figures[0].legends[0]) == ["each of 7 tasks", AVERAGE, "dann"]
    assert_picture(tmp_path / "x.png")


def test_sweep_names_the_file_that_is_missing_or_holds_no_sweep(tmp_path):
    run = of_benchmark(tmp_path / "run", [("dann", "A-B", 0, 0.5)])
    assert said(plots.sweep, run, "x").startswith(f"{run}/results.csv: no two cells of dann")
    assert f"--workdir={tmp_path} is no folder of run/benchmark.py" in said(plots.sweep, tmp_path, "x")


def test_the_deviation_of_one_seed_is_unknown():
    x, mean, deviation = points.spread(points.gather([(4, 0.5), (2, 0.1), (2, 0.3), (6, np.nan)]))
    np.testing.assert_allclose([x, mean], [[2, 4], [0.2, 0.5]])
    np.testing.assert_allclose(deviation, [np.std([0.1, 0.3], ddof=1), np.nan])


# ---- labels


def heights(axes) -> list[list[float]]:
    return [[bar.get_height() for bar in bars] for bars in axes.containers]


def test_shares_and_total_variation():
    first, second = shares(np.array([0, 0, 1, 3]), 4), shares(np.array([3, 3]), 4)
    np.testing.assert_array_equal(first, [0.5, 0.25, 0, 0.25])
    assert distance(first, second) == 0.75 and distance(first, first) == 0


def test_labels_are_percents_of_the_training_images_of_both_sides(tmp_path, figures):
    plots.labels(config(), tmp_path / "x.png")
    (axes,) = figures[0].axes
    np.testing.assert_allclose(heights(axes), [[100 / 3] * 3, [400 / 15, 500 / 15, 600 / 15]])
    assert axes.get_title() == f"labels of A → B: total variation distance {6 / 15 - 1 / 3:.3f}"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["class 0", "class 1", "class 2"]
    assert texts(figures[0].legends[0]) == ["source: A, 12 images", "target: B, 15 images"]
    edges = sorted(bar.get_x() for bars in axes.containers for bar in bars)
    assert np.diff(edges).min() == pytest.approx(axes.containers[0][0].get_width())  # side by side
    assert_picture(tmp_path / "x.png")


def test_labels_show_what_earlier_rounds_predict(tmp_path, figures):
    np.savez(tmp_path / "prior.npz", beliefs=np.eye(3, dtype="float32")[[0] * 12 + [2] * 3])
    plots.labels(config(prior=str(tmp_path / "prior.npz")), tmp_path / "x.png")
    assert heights(figures[0].axes[0])[2] == [80, 0, 20]
    assert texts(figures[0].legends[0])[2] == "target, as earlier rounds predict"
    assert_picture(tmp_path / "x.png")
    np.savez(tmp_path / "prior.npz", beliefs=np.zeros([4, 3]))
    assert "prior.npz is of shape (4, 3): the target has 15 images" in said(
        plots.labels, config(prior=str(tmp_path / "prior.npz")), "x"
    )


def test_labels_of_a_target_without_any_are_the_sources(tmp_path, figures):
    plots.labels(config(task="A-blind"), tmp_path / "x.png")
    assert len(heights(figures[0].axes[0])) == 1
    assert figures[0].axes[0].get_title() == "labels of A → blind: the target has none"
    assert_picture(tmp_path / "x.png")


def test_labels_name_up_to_40_classes(tmp_path, figures):
    for count in (40, 41):
        plots.labels(config(root=str(count)), tmp_path / "x.png")
        assert_picture(tmp_path / "x.png")
    named, numbered = (figure.axes[0] for figure in figures)
    assert {label.get_rotation() for label in named.get_xticklabels()} == {90} and len(named.get_xticks()) == 40
    assert numbered.get_xlabel() == "number of the class" and len(numbered.get_xticks()) < 20
