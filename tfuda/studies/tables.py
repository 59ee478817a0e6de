"""Write tables of a grid's results: every run as CSV, and their summaries in Markdown and LaTeX.

rows      one dict a run: cell, task, seed, last, selected, oracle (shares of 1), source, seconds
results   a table for each column of TITLES: cells down, tasks across, mean ± deviation over seeds. The best of every
          task is bold, the next best underlined (in Markdown _so_). Published numbers stand beneath their cell.
paired    a table beneath `last` and `selected`: every cell against one of them, see tfuda/studies/significance.py
"""

from __future__ import annotations

import csv
import io
import pathlib
import re
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tfuda.atomic_files import read_json, write_whole
from tfuda.studies import published_numbers, significance

FIELDS = ("cell", "task", "seed", "last", "selected", "oracle", "source", "seconds", "tuned")
NAMES = ("results.csv", "results.md", "results.tex")
TITLES = {
    "last": "Target accuracy at the end of training, %",
    "selected": "At the step that the label-free validator chose, %",
    "oracle": "At the best step on target labels (an upper line, not a result), %",
}
Quotes = Mapping[str, Sequence[published_numbers.Quote]]


class Entry(NamedTuple):
    """The text of an entry and its mark: "best", "next" or ""."""

    text: str
    mark: str = ""


class Table(NamedTuple):
    """A table. lines: rows of as many entries as the head has; notes: sentences beneath."""

    title: str
    head: list[str]
    lines: list[list[Entry]]
    notes: list[str] = []


# ---- what is in a table


def results(rows: list[dict], column: str = "last", tuned: Iterable[str] = (), quotes: Quotes | None = None) -> Table:
    """Return the table of one column.

    Args:
        rows: one dict a run.
        column: a key of TITLES.
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
    return Table(TITLES[column], ["method", *names], lines)


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
    lines = [f"{cell} ({quote.where})", *printed], [f"{cell}, difference", *less]
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


# ---- how a table is written


def as_csv(rows: list[dict], fields: Sequence[str]) -> str:
    """Return CSV text with one line per row."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def markdown(table: Table) -> str:
    """Return title, table and notes as Markdown."""
    marks = {"best": "**{}**", "next": "_{}_", "": "{}"}
    rule = ["---"] + ["---:"] * (len(table.head) - 1)
    lines = [table.head, rule, *([marks[e.mark].format(e.text) for e in line] for line in table.lines)]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return "\n\n".join([table.title, body, *table.notes]) + "\n"


SIGNS = {sign: "\\" + sign for sign in "#$%&_{}"}
SIGNS |= {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "[": "{[}", "]": "{]}"}
SIGNS |= {"±": "$\\pm$", "<": "$<$", ">": "$>$", "|": "$|$", "→": "$\\to$"}


def escaped(text: str) -> str:
    """Escape text for LaTeX; brackets get braces, because LaTeX reads one after a line's end as the line's height."""
    text = "".join(SIGNS.get(sign, sign) for sign in text)
    return re.sub(r"(^|\s)-(?=\d)", r"\1$-$", text)


def latex(table: Table) -> str:
    """Return the same table for \\usepackage{booktabs}."""
    marks = {"best": "\\textbf{{{}}}", "next": "\\underline{{{}}}", "": "{}"}
    body = [[marks[entry.mark].format(escaped(entry.text)) for entry in line] for line in table.lines]
    lines = [
        "\\begin{table}[ht]",
        "\\centering",
        f"\\caption{{{escaped(table.title)}}}",
        f"\\begin{{tabular}}{{l{'r' * (len(table.head) - 1)}}}",
        "\\toprule",
        " & ".join(map(escaped, table.head)) + " \\\\",
        "\\midrule",
        *(" & ".join(line) + " \\\\" for line in body),
        "\\bottomrule",
        "\\end{tabular}",
        *(f"\\par\\smallskip\\small {escaped(note)}" for note in table.notes),
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


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


def quoted(rows: list[dict], config: Mapping[str, Any], tuned: Iterable[str] = ()) -> Quotes:
    """Return what papers print for the tasks of these runs; config is that of any one of the runs."""
    return published_numbers.for_table(config, {row["task"] for row in rows} - {*tuned})


def write_report(
    rows: list[dict],
    folder: pathlib.Path,
    tuned: Sequence[str] = (),
    baseline: str = "",
    quotes: Quotes | None = None,
) -> None:
    """Write results.csv, results.md and results.tex, with all columns.

    Args:
        rows, folder, tuned, quotes: see `results`; the folder receives the files.
        baseline: the cell that the others are tested against; the first where it is "".
    """
    made: list[Table] = []
    for column in TITLES:
        made.append(results(rows, column, tuned, quotes))
        if column != "oracle" and (tested := paired(rows, column, baseline or rows[0]["cell"], tuned)):
            made.append(tested)
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
        raise ValueError(f"--what=table is of one folder of run/benchmark.py, not {len(folders)}")
    folder = pathlib.Path(folders[0])
    found: dict[tuple[str, str, int], dict] = {}
    configs = []
    for path in sorted(folder.glob("*/*/seed*/result.json")):
        result = read_json(path, "source", "seconds")
        config = read_json(path.with_name("config.json"), "config")["config"]
        if "last" not in result:
            say(f"{path.parent} is left out: it had no labelled target to measure on")
            continue
        key = (config["cell"], config["task"], int(config["seed"]))
        found[key] = dict(zip(FIELDS, key, strict=False)) | {name: result[name] for name in FIELDS[3:-1]}
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
    write_report(rows, where, tuned, baseline, quotes)
    say(f"{markdown(results(rows, 'last', tuned, quotes))}\n" + "\n".join(str(where / name) for name in NAMES[::2]))
    return where / NAMES[1]


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
