"""Tables of a grid: marks, the papers' numbers, LaTeX, files made anew; and the statistics beneath them."""

import csv
import itertools
import json
import re

import numpy as np
import pytest

from tfuda.experiment import defaults
from tfuda.studies import published_numbers, significance, table_text, tables

AWKWARD = "jan[adversarial=True]"


def rows(values=None):
    """{(cell, task): shares by seed} -> rows; the default is a grid that is done in part."""
    values = values or {("dann", "R-S"): (0.5, 0.7), ("dann", "R-M"): (0.2, 0.4), (AWKWARD, "R-S"): (0.9, 0.9)}
    return [
        {
            "cell": cell,
            "task": task,
            "seed": seed,
            "last": v,
            "selected": v / 2,
            "oracle": v,
            "source": 1,
            "seconds": 7,
            "metric": "accuracy",
        }
        for (cell, task), several in values.items()
        for seed, v in enumerate(several)
    ]


def of(**values):
    return rows({(cell, "R-S"): (value,) for cell, value in values.items()})


# ---- statistics


@pytest.mark.parametrize("seed", range(5))
def test_the_exact_test_is_the_share_of_all_signs_that_reach_as_far(seed):
    rng = np.random.default_rng(seed)
    d = np.round(rng.normal(0.3, 1, rng.integers(1, 11)), 1)  # rounded, so that sums tie
    sums = [abs(sum(s * x for s, x in zip(signs, d))) for signs in itertools.product((1, -1), repeat=len(d))]
    count = sum(value > abs(sum(d)) - 1e-9 for value in sums)
    assert significance.sign_flip(d) == count / 2 ** len(d)


def test_more_pairs_than_are_enumerated_draw_the_same_p_again_and_near_the_exact_one(monkeypatch):
    d = np.random.default_rng(3).normal(0.4, 1, significance.EXACT + 1)
    drawn = significance.sign_flip(d)
    with monkeypatch.context() as patch:
        patch.setattr(significance, "EXACT", len(d))
        exact = significance.sign_flip(d)
    assert drawn == significance.sign_flip(d) != exact
    assert drawn == pytest.approx(exact, abs=4 * (exact / significance.DRAWS) ** 0.5)
    assert significance.sign_flip(np.ones(40)) == significance.smallest(40) == 1 / (1 + significance.DRAWS)


def test_no_difference_at_all_has_p_1_and_one_sign_alone_the_smallest_p():
    assert significance.sign_flip([0.0, 0.0, 0.0]) == 1
    for n in range(1, 9):
        assert significance.sign_flip(np.arange(1, n + 1)) == significance.smallest(n) == 2 / 2**n


def test_holms_correction_steps_down_and_never_falls():
    np.testing.assert_allclose(significance.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert significance.holm([0.6, 0.7]) == [1.0, 1.0] and significance.holm([]) == []


def test_pairs_are_runs_of_the_same_task_and_seed():
    values = {"a": {("t", 0): 1.0, ("t", 1): 2.0}, "b": {("t", 1): 5.0, ("u", 0): 9.0}, "c": {("v", 0): 1.0}}
    assert significance.against(values, "a") == {"b": significance.Tested(3.0, 1, 1.0, 1.0)}


# ---- what is in a table


def lines(table):
    return table_text.markdown(table).splitlines()[2:]


def test_a_table_has_mean_and_deviation_and_leaves_tuned_tasks_out_of_the_average():
    found = lines(tables.results(rows(), "last", tuned=("R-S",)))
    assert found[0] == "| method | R-S (tuned) | R-M | average |"
    assert found[2] == "| dann | 60.0 ± 14.1 | 30.0 ± 14.1 | 30.0 |"
    assert found[3] == f"| {AWKWARD} | **90.0 ± 0.0** |  |  |"


def test_best_and_next_best_are_marked_as_printed_and_equals_alike():
    table = tables.results(of(a=0.50001, b=0.8, c=0.80004, d=0.5, e=0.1))
    assert [line[1].mark for line in table.lines] == ["next", "best", "best", "next", ""]
    assert lines(table)[3].startswith("| b | **80.0** |") and lines(table)[2].startswith("| a | _50.0_ |")
    assert [line[1].mark for line in tables.results(of(a=0.5, b=0.6)).lines] == ["", "best"]
    assert [line[1].mark for line in tables.results(of(a=0.5, b=0.5)).lines] == ["", ""]
    assert [line[1].mark for line in tables.results(of(a=1.0, b=0.998, c=0.9)).lines] == ["best", "next", ""]


def test_papers_stand_beneath_with_the_difference_to_them():
    quotes = {"dann": [published_numbers.Quote("TADA Table 1", {"R-S": 60.52, "average": 50.0})]}
    found = lines(tables.results(rows(), quotes=quotes))
    assert found[3] == "| dann (TADA Table 1) | 60.52 |  | 50.0 |"
    assert found[4] == "| dann, difference | -0.5 |  | -5.0 |"
    assert found[2].startswith("| dann | 60.0 ± 14.1 |") and len(found) == 6
    nothing = {"dann": [published_numbers.Quote("TADA Table 1", {"A-W": 60.5})]}
    assert len(lines(tables.results(rows(), quotes=nothing))) == 4


def test_the_paired_table_names_what_so_few_pairs_can_show():
    table = tables.paired(rows({(c, "R-S"): (v, v + 0.1) for c, v in zip("abc", (0.3, 0.4, 0.2))}), "last", "a")
    assert [[entry.text for entry in line] for line in table.lines] == [
        ["b", "+10.0", "2", "0.500", "1.000"],
        ["c", "-10.0", "2", "0.500", "1.000"],
    ]
    assert (
        "With 2 pairs it cannot fall below 0.5, and not below 1 after Holm's correction for 2 methods"
        in table.notes[0]
    )
    assert "no difference of so few can reach 0.05" in table.notes[0]
    assert "reach" not in tables.reach(12, 3)
    assert tables.paired(rows(), "last", "cdan") is tables.paired(rows(), "last", "dann", tuned=("R-S",)) is None


def with_mean(values):
    """Rows of a data set that counts the mean over classes, of (mean, accuracy) by cell."""
    result = {"source": 1.0, "seconds": 7, "metric": "mean_class"}
    return [
        tables.row(
            cell,
            "S-R",
            0,
            {**result, **dict.fromkeys(tables.COLUMNS, mean), "accuracy": dict.fromkeys(tables.COLUMNS, plain)},
        )
        for cell, (mean, plain) in values.items()
    ]


def test_a_set_that_counts_the_mean_has_both_metrics_and_each_printed_number_beneath_its_own(tmp_path):
    config = defaults.default_config("gsda")
    config.update(data="visda", task="S-R")
    config.network.name = "resnet50"
    found = with_mean({"gsda": (0.8, 0.7), "hda+toalign": (0.6, 0.75)})
    mean, plain = tables.tables_of(found, "last", (), tables.quoted(found, config))
    assert mean.title.startswith("Mean target accuracy over the classes") and plain.title.startswith(
        "Target accuracy"
    )
    assert [line[1].text for line in mean.lines] == ["80.0", "81.5", "-1.5", "60.0"]
    assert [line[1].text for line in plain.lines] == ["70.0", "75.0", "75.5", "-0.5"]
    tables.write_report(found, tmp_path)
    with open(tmp_path / "results.csv", newline="") as file:
        assert [(r["metric"], r["last"], r["accuracy_last"]) for r in csv.DictReader(file)] == [
            ("mean_class", "0.8", "0.7"),
            ("mean_class", "0.6", "0.75"),
        ]


def test_numbers_of_the_best_checkpoint_are_marked_and_the_note_names_their_table():
    config = defaults.default_config("dannp")
    config.update(data="office_home", task="A-C")
    config.network.name = "resnet50"
    found = rows({("dannp", "A-C"): (0.5,), ("tada", "A-C"): (0.5,)})
    for column, said in (("last", "compare with the table of the best step"), ("oracle", "as this table does")):
        (table,) = tables.tables_of(found, column, (), tables.quoted(found, config))
        names = [line[0].text for line in table.lines]
        assert "dannp (ToAlign Table 1) †" in names and "tada (ToAlign Table 1, TADA Table 2)" in names
        assert len(table.notes) == 1 and said in table.notes[0]
    (bare,) = tables.tables_of(rows({("tada", "A-C"): (0.5,)}), "last", (), tables.quoted(found, config))
    assert bare.notes == []


def test_pairs_are_tested_each_against_its_own_baseline(tmp_path):
    found = rows(
        {(cell, "A-C"): (0.1 * i, 0.2) for i, cell in enumerate(("dannp", "dannp+toalign", "hda", "hda+toalign"))}
    )
    pairs = [("dannp", "dannp+toalign"), ("hda", "hda+toalign")]
    tests = tables.tests_of(found, "last", pairs, ())
    assert [(table.title.split(",")[0], [line[0].text for line in table.lines]) for table in tests] == [
        ("Minus dannp", ["dannp+toalign"]),
        ("Minus hda", ["hda+toalign"]),
    ]


# ---- LaTeX and files


def test_latex_is_balanced_and_escaped():
    made = tables.results(rows({(AWKWARD, "R_S&%#"): (0.5, 0.6), ("b~^\\$", "R_S&%#"): (0.1, 0.2)}))
    text = table_text.latex(made)
    plain = re.sub(r"\\[\\#$%&_{}]", "", text)
    assert plain.count("{") == plain.count("}") and plain.count("$") % 2 == 0
    assert sorted(re.findall(r"\\begin{(\w+)}", text)) == sorted(re.findall(r"\\end{(\w+)}", text))
    assert "jan{[}adversarial=True{]} & \\textbf{55.0 $\\pm$ 7.1}" in text and "R\\_S\\&\\%\\#" in text
    assert all(line.count(" & ") == 2 for line in text.splitlines() if line.endswith("\\\\"))
    assert not re.search(r"(?<!\\)[#%_^~]", plain)
    assert table_text.latex(tables.results(of(a=0.3, b=0.2, c=0.1))).count("\\underline{20.0}") == 2


def finished(folder, found):
    """What run/benchmark.py leaves of these rows."""
    for row in found:
        home = folder / row["cell"] / row["task"] / f"seed{row['seed']}"
        home.mkdir(parents=True)
        config = (
            defaults.default_config("dann").to_dict()
            | {k: row[k] for k in ("cell", "task", "seed")}
            | {"data": "digits"}
        )
        (home / "config.json").write_text(json.dumps({"config": config}))
        (home / "result.json").write_text(json.dumps({k: row[k] for k in tables.FIELDS[3:9]}))


def test_the_tables_of_a_folder_are_made_anew_as_they_were(tmp_path):
    found = rows()
    finished(tmp_path, found)
    tables.write_report(found, tmp_path, ("R-S",))
    before = [(tmp_path / name).read_text() for name in tables.NAMES]
    assert (
        tables.of_folder([str(tmp_path)], str(tmp_path / "new"), lambda text: None) == tmp_path / "new" / "results.md"
    )
    assert [(tmp_path / "new" / name).read_text() for name in tables.NAMES] == before
    assert before[1].count("| method |") == 3 and before[2].count("\\begin{table}") == 3


def test_the_tables_of_a_folder_need_no_older_table_and_have_papers_where_all_runs_are_of_their_setting(tmp_path):
    finished(tmp_path, rows({("dann", "A-W"): (0.5, 0.7), ("adda", "A-W"): (0.7, 0.7)}))
    for path in tmp_path.glob("*/*/*/config.json"):
        about = json.loads(path.read_text())
        about["config"] |= {"data": "office31", "network": {"name": "resnet50"}}
        path.write_text(json.dumps(about))
    said = []
    tables.of_folder([str(tmp_path)], "", said.append, baseline="dann")
    text = (tmp_path / "results.md").read_text()
    assert "| dann, difference | -22.0 |" in text and "Minus dann" in text and "| adda | **70.0 ± 0.0** |" in said[1]
    assert said[0].endswith("methods stand by name, and no task counts as tuned")
    with open(tmp_path / "results.csv", newline="") as file:
        assert [row["cell"] for row in csv.DictReader(file)] == ["adda", "dann"] * 2


def test_a_folder_without_runs_and_a_baseline_that_is_not_there_are_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no finished run, in METHOD/TASK/seedN"):
        tables.of_folder([str(tmp_path)], "", print)
    finished(tmp_path, rows())
    with pytest.raises(ValueError, match="holds no finished run of 'gvb'"):
        tables.of_folder([str(tmp_path)], "", print, baseline="gvb")
    (tmp_path / "results.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="is no table of runs"):
        tables.of_folder([str(tmp_path)], "", print)
