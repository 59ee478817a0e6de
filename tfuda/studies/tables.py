"""Write tables of a grid's results: every run as CSV, and their summaries in Markdown and LaTeX.

rows      one dict a run, see `row`; accuracies are shares of 1
results   a table for each column of TITLES: cells down, tasks across, mean ± deviation over seeds. The best of every
          task is bold, the next best underlined (in Markdown _so_). Published numbers stand beneath their cell.
paired    a table beneath `last` and `selected`: every cell against one of them, see tfuda/studies/significance.py

Where a data set counts the mean over classes, each column has a second table with the accuracy over all images.
Papers use one or the other, and a printed number stands in the table of its own kind.
"""

from __future__ import annotations

import csv
import pathlib
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tfuda.atomic_files import read_json, write_whole
from tfuda.studies import published_numbers, significance
from tfuda.studies.table_text import Entry, Table, as_csv, latex, markdown

COLUMNS = ("last", "selected", "oracle")
OVERALL = tuple(f"accuracy_{column}" for column in COLUMNS)  # only beside a mean over classes
FIELDS = ("cell", "task", "seed", *COLUMNS, "source", "seconds", "metric", *OVERALL, "tuned", "commit")
NAMES = ("results.csv", "results.md", "results.tex")
TITLES = {
    "last": "{} at the end of training, %",
    "selected": "{} at the step that the label-free validator chose, %",
    "oracle": "{} at the best step on target labels (an upper line, not a result), %",
}
METRICS = {"accuracy": "Target accuracy", "mean_class": "Mean target accuracy over the classes"}
BEST = " †"  # behind the place of a number that its authors' code chose by target labels
NOTES = {
    "": "† The authors' code keeps the best checkpoint on target labels: compare with the table of the best step.",
    "oracle": "† The authors' code keeps the best checkpoint on target labels, as this table does. Compare numbers "
    "without the mark with the table of the end of training.",
}
Quotes = Mapping[str, Sequence[published_numbers.Quote]]


def row(cell: str, task: str, seed: int, result: Mapping[str, Any], commit: str = "") -> dict[str, Any]:
    """Return the row of a run, from the contents of its result.json and the commit that trained it."""
    found = {"cell": cell, "task": task, "seed": seed, "commit": commit} | {key: result[key] for key in FIELDS[3:9]}
    return found | {f"accuracy_{key}": result["accuracy"][key] for key in COLUMNS if "accuracy" in result}


# ---- what is in a table


def kinds(rows: list[dict]) -> dict[str, str]:
    """Return the columns of the tables, and what each measures: {"last": "mean_class", "accuracy_last": ...}."""
    found: dict[str, str] = {}
    for column, beside in zip(COLUMNS, OVERALL, strict=True):
        found[column] = rows[0].get("metric", "accuracy")
        if all(beside in row for row in rows):
            found[beside] = "accuracy"
    return found


def results(rows: list[dict], column: str = "last", tuned: Iterable[str] = (), quotes: Quotes | None = None) -> Table:
    """Return the table of one column.

    Args:
        rows: one dict a run.
        column: a key of `kinds`.
        tuned: tasks on whose labels the recipe was found; they are marked, and left out of the average.
        quotes: {cell: what papers print}, of published_numbers.for_table.
    """
    tasks = list(dict.fromkeys(row["task"] for row in rows))
    counted = [task for task in tasks if task not in tuned]
    columns = [*tasks, *(["average"] if counted else [])]
    names = [f"{task} (tuned)" if task in tuned else task for task in columns]
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    texts, means = {}, {}
    for cell in cells:
        for task in tasks:
            if found := [100 * row[column] for row in rows if (row["cell"], row["task"]) == (cell, task)]:
                means[cell, task] = statistics.fmean(found)
                texts[cell, task] = f"{means[cell, task]:.1f}" + spread(found)
        if counted and all((cell, task) in means for task in counted):
            means[cell, "average"] = statistics.fmean(means[cell, task] for task in counted)
            texts[cell, "average"] = f"{means[cell, 'average']:.1f}"
    marks = {
        (cell, name): mark
        for name in columns
        for cell, mark in marked({cell: means[cell, name] for cell in cells if (cell, name) in means}).items()
    }
    lines = []
    for cell in cells:
        lines.append([Entry(cell), *(Entry(texts.get((cell, n), ""), marks.get((cell, n), "")) for n in columns)])
        own = {name: means[cell, name] for name in columns if (cell, name) in means}
        for quote in (quotes or {}).get(cell, ()):
            lines += beside(cell, own, quote, columns)
    which = column.removeprefix("accuracy_")
    said = any(line[0].text.endswith(BEST) for line in lines)
    title = TITLES[which].format(METRICS[kinds(rows)[column]])
    return Table(title, ["method", *names], lines, [NOTES.get(which, NOTES[""])] if said else [])


def spread(values: list[float]) -> str:
    """Format the standard deviation of several values."""
    return f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""


def marked(values: dict[str, float]) -> dict[str, str]:
    """Return the marks of the best and next best as printed; ties share a mark, and all-equal values have none."""
    levels = sorted({f"{value:.1f}" for value in values.values()}, key=float, reverse=True)
    if len(levels) < 2:
        return {}
    kinds = {levels[0]: "best"} | ({levels[1]: "next"} if len(levels) > 2 else {})
    return {name: kinds.get(f"{value:.1f}", "") for name, value in values.items()}


def beside(cell: str, own: dict[str, float], quote: published_numbers.Quote, columns: list[str]) -> list[list[Entry]]:
    """Return a paper's line, and the line of our numbers minus the paper's."""
    theirs = {name: quote.values[name] for name in columns if name in quote.values}
    printed = [f"{theirs[name]:.2f}".removesuffix("0") if name in theirs else "" for name in columns]
    less = [f"{own[name] - theirs[name]:+.1f}" if name in own and name in theirs else "" for name in columns]
    if not any(less):
        return []
    lines = [f"{cell} ({quote.where}){BEST if quote.best else ''}", *printed], [f"{cell}, difference", *less]
    return [[Entry(text) for text in line] for line in lines]


def paired(rows: list[dict], column: str, baseline: str, tuned: Iterable[str] = ()) -> Table | None:
    """Return the tests of every cell against one of them over pairs of one task and seed; tuned tasks are omitted."""
    values: dict[str, dict[tuple, float]] = {}
    for row in rows:
        if row["task"] not in tuned:
            values.setdefault(row["cell"], {})[row["task"], row["seed"]] = 100 * row[column]
    found = significance.against(values, baseline) if baseline in values else {}
    if not found:
        return None
    lines = [
        [Entry(text) for text in (cell, f"{test.mean:+.1f}", str(test.pairs), share(test.p), share(test.holm))]
        for cell, test in found.items()
    ]
    head = ["method", "mean difference", "pairs", "p", "p (Holm)"]
    most = max(test.pairs for test in found.values())
    return Table(f"Minus {baseline}, on the same task and seed", head, lines, [reach(most, len(found))])


def share(p: float) -> str:
    """Format a p-value: 0.125, < 0.001."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def reach(pairs: int, cells: int) -> str:
    """Return a sentence on what so few pairs can show."""
    low = significance.smallest(pairs)
    corrected = min(1.0, low * cells)
    many = f", and not below {corrected:.2g} after Holm's correction for {cells} methods" if cells > 1 else ""
    end = "; no difference of so few can reach 0.05" if corrected > 0.05 else ""
    return (
        f"p is that of the two-sided sign-flip test over pairs of runs. With {pairs} pair{'s' * (pairs > 1)} it "
        f"cannot fall below {low:.2g}{many}{end}. It speaks of these tasks, not of others."
    )


def side_by_side(rows: list[dict]) -> str:
    """Return one line a task with every cell's target accuracy at the end of training, mean over seeds."""
    lines = []
    for task in dict.fromkeys(row["task"] for row in rows):
        here = [row for row in rows if row["task"] == task]
        cells = dict.fromkeys(row["cell"] for row in here)
        means = {cell: statistics.fmean(row["last"] for row in here if row["cell"] == cell) for cell in cells}
        lines.append(f"{task}: " + ", ".join(f"{cell} {100 * mean:.1f} %" for cell, mean in means.items()))
    return "\n".join(lines)


# ---- the files of a grid


def quoted(rows: list[dict], config: Mapping[str, Any], tuned: Iterable[str] = ()) -> dict[str, Quotes]:
    """Return {metric: what papers print for the tasks of these runs}; config is that of any one of the runs."""
    tasks = {row["task"] for row in rows} - {*tuned}
    return {metric: published_numbers.for_table(config, tasks, metric) for metric in METRICS}


def tables_of(
    rows: list[dict], column: str, tuned: Iterable[str] = (), quotes: Mapping[str, Quotes] | None = None
) -> list[Table]:
    """Return the tables of one of COLUMNS, one for each metric that the runs have; quotes: of `quoted`."""
    of = {name: metric for name, metric in kinds(rows).items() if name.removeprefix("accuracy_") == column}
    return [results(rows, name, tuned, (quotes or {}).get(metric)) for name, metric in of.items()]


def tests_of(rows: list[dict], column: str, pairs: Iterable[tuple[str, str]], tuned: Iterable[str]) -> list[Table]:
    """Return the tests of the pairs (baseline, other), one table for each baseline."""
    groups: dict[str, list[str]] = {}
    for baseline, other in pairs:
        groups.setdefault(baseline, []).append(other)
    here = {
        baseline: [row for row in rows if row["cell"] in (baseline, *others)] for baseline, others in groups.items()
    }
    found = [paired(few, column, baseline, tuned) for baseline, few in here.items()]
    return [table for table in found if table]


def write_report(
    rows: list[dict],
    folder: pathlib.Path,
    tuned: Sequence[str] = (),
    pairs: Sequence[tuple[str, str]] = (),
    quotes: Mapping[str, Quotes] | None = None,
) -> None:
    """Write results.csv, results.md and results.tex, with all columns.

    Args:
        rows, tuned, quotes: see `tables_of`; the folder receives the files.
        pairs: (baseline, other) of the cells that are tested; every cell against the first where there are none.
    """
    made: list[Table] = []
    pairs = pairs or [(rows[0]["cell"], row["cell"]) for row in rows if row["cell"] != rows[0]["cell"]]
    for column in COLUMNS:
        made += tables_of(rows, column, tuned, quotes)
        made += tests_of(rows, column, pairs, tuned) if column != "oracle" else []
    each = [row | {"tuned": int(row["task"] in tuned)} for row in rows]
    texts = (
        as_csv(each, FIELDS),
        "\n".join(map(markdown, made)),
        "% \\usepackage{booktabs}\n\n" + "\n".join(map(latex, made)),
    )
    for name, text in zip(NAMES, texts, strict=True):
        write_whole(folder / name, text)


def of_folder(folders: Sequence[str], out: str, say: Callable[[str], None], baseline: str = "") -> pathlib.Path:
    """Write the tables anew from the finished runs METHOD/TASK/seedN of the one folder, and train nothing.

    out: a folder for the files, else the folder itself. An older results.csv gives the order and the tuned tasks.
    """
    if len(folders) != 1:
        raise ValueError(f"--what=table takes one folder of run/benchmark.py, not {len(folders)}")
    folder = pathlib.Path(folders[0])
    found: dict[tuple[str, str, int], dict] = {}
    configs = []
    for path in ended(folder):
        result = read_json(path, "source", "seconds", "metric")
        about = read_json(path.with_name("config.json"), "config")
        if "last" not in result:
            say(f"{path.parent} is left out: it had no labelled target to measure on")
            continue
        cell, task = path.relative_to(folder).parts[:2]
        config = about["config"]
        found[cell, task, int(config["seed"])] = row(cell, task, int(config["seed"]), result, about.get("commit", ""))
        configs.append(config)
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no finished run, in METHOD/TASK/seedN as run/benchmark.py makes them"
        )
    if baseline and baseline not in {cell for cell, _, _ in found}:
        raise ValueError(f"{folder} holds no finished run of {baseline!r}, which the others are to be tested against")
    order, tuned = earlier_rows(folder / NAMES[0])
    if not order:
        say(f"{folder} has no {NAMES[0]} of before: methods stand by name, and no task counts as tuned")
    rows = [found[key] for key in sorted(found, key=lambda key: (order.get(key, len(order)), key[2], key[1], key[0]))]
    same = {(c["data"], published_numbers.setting(c), c["network"]["name"]) for c in configs}
    quotes = quoted(rows, configs[0], tuned) if len(same) == 1 else None
    where = pathlib.Path(out or folder)
    where.mkdir(parents=True, exist_ok=True)
    pairs = [(baseline, row["cell"]) for row in rows if row["cell"] != baseline] if baseline else []
    write_report(rows, where, tuned, pairs, quotes)
    texts = [*map(markdown, tables_of(rows, "last", tuned, quotes)), *(str(where / name) for name in NAMES[::2])]
    say("\n".join(texts))
    return where / NAMES[1]


def ended(folder: pathlib.Path) -> list[pathlib.Path]:
    """Return the result.json of all finished runs; of a run in rounds that of the last round."""
    last: dict[pathlib.Path, pathlib.Path] = {}
    for path in sorted(folder.glob("*/*/seed*/*[0-9]/result.json"), key=lambda path: (len(path.parts[-2]), path)):
        last[path.parents[1]] = path
    return sorted([*folder.glob("*/*/seed*/result.json"), *last.values()])


def earlier_rows(file: pathlib.Path) -> tuple[dict[tuple[str, str, int], int], tuple[str, ...]]:
    """Read from an older results.csv the place of every run, and the tuned tasks."""
    if not file.is_file():
        return {}, ()
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    try:
        order = {(row["cell"], row["task"], int(row["seed"])): i for i, row in enumerate(rows)}
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{file} is no table of runs as run/benchmark.py writes it: move it away") from None
    return order, tuple({row["task"]: None for row in rows if row.get("tuned") == "1"})
