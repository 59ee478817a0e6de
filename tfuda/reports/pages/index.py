"""Write a folder of runs as a table and a picture: FOLDER/index.html."""

from __future__ import annotations

import collections
import math
import os
import pathlib
from collections.abc import Callable, Sequence
from urllib.parse import quote

from tfuda.atomic_files import write_whole
from tfuda.reports.pages import charts, html, runs
from tfuda.reports.pages.html import data, element, escape, paragraph

POINTS = 120  # of a curve at most
SAID = 3  # omitted folders that are named at most
DRAWN = 8  # cells of which one run is drawn at first
COLUMNS = (  # title, kind: text sorts as words
    ("draw", ""),
    ("cell", "text"),
    ("task", "text"),
    ("seed", "number"),
    ("last", "number"),
    ("selected", "number"),
    ("oracle", "number"),
    ("source", "number"),
    ("seconds", "number"),
    ("state", "text"),
    ("page", ""),
)


def index(folders: Sequence[str], out: str, say: Callable[[str], None]) -> pathlib.Path:
    """Write the page of all runs below the one folder.

    Args:
        folders: one folder, with runs at any depth.
        out: the file; index.html in the folder where it is "".
        say: receives each message.

    Returns:
        The path of the page.
    """
    if len(folders) != 1:
        raise ValueError(f"--what=index lists one folder, not {len(folders)}: name the one above them")
    top = pathlib.Path(folders[0])
    where = pathlib.Path(out or top / "index.html")
    found, refused = [], []
    for folder in runs.runs_below(top):
        try:
            found.append(runs.read_run(folder))
        except (ValueError, OSError) as error:
            refused.append((folder, str(error)))
    if not found:
        more = f"; of {len(refused)} that look like runs the first says: {refused[0][1]}" if refused else ""
        raise FileNotFoundError(f"{top} holds no run of run/train.py, at any depth{more}")
    say(f"{len(found)} runs")
    for _, why in refused[:SAID]:
        say(f"left out: {why}")
    if len(refused) > SAID:
        say(f"and {len(refused) - SAID} more; the page names them all")
    found.sort(key=lambda run: (run.config.cell, str(run.config.task), run.config.seed))
    write_whole(where, document(top, where, found, refused))
    return where


def curve(run: runs.Run) -> list[list[float | None]]:
    """Return [[step, target accuracy]], thinned; nothing without labels."""
    name = f"target_{run.numbers.get('metric', 'accuracy')}"
    if not run.rows or name not in run.rows[0]:
        return []
    kept = charts.thinned(len(run.rows), most=POINTS)
    return [[run.rows[k]["step"], round(run.rows[k][name], 4)] for k in kept if math.isfinite(run.rows[k][name])]


def link(run: runs.Run, where: pathlib.Path) -> str:
    """Return a relative path from the index to a run's page, or nothing where there is none."""
    file = run.folder / "report.html"
    if not file.is_file():
        return ""
    path = os.path.relpath(file.absolute(), where.absolute().parent)
    return "./" + quote(os.fsencode(path))


def row(i: int, run: runs.Run, where: pathlib.Path, checked: bool) -> str:
    """Return the row of one run; a column sorts by data-v."""
    name = f"{run.config.cell}, {run.task}, seed {run.config.seed}"
    box = element(
        "input", "", type="checkbox", data_run=i, aria_label=f"draw {name}", **({"checked": ""} if checked else {})
    )
    cells = [element("td", box.removesuffix("</input>"))]
    cells.append(element("th", escape(run.config.cell), scope="row", class_="words"))
    cells.append(element("td", escape(run.task), class_="words"))
    cells.append(element("td", escape(run.config.seed), data_v=run.config.seed))
    for key in ("last", "selected", "oracle", "source"):
        value = run.numbers.get(key)
        cells.append("<td>–</td>" if value is None else element("td", f"{100 * value:.1f}", data_v=round(value, 6)))
    seconds = run.numbers.get("seconds")
    cells.append("<td>–</td>" if seconds is None else element("td", f"{seconds:,.0f}", data_v=seconds))
    cells.append(element("td", escape(run.state), class_="words"))
    to = link(run, where)
    cells.append(element("td", element("a", "page", href=to, aria_label=f"page of {name}") if to else "–"))
    return element("tr", "".join(cells))


def first_drawn(found: Sequence[runs.Run]) -> set[int]:
    """Return one run of each of the first cells, on the most frequent task; all runs where they are few."""
    able = [i for i, run in enumerate(found) if run.labelled]
    if len(able) <= DRAWN:
        return {*able}
    (task, _), *_ = collections.Counter(found[i].task for i in able).most_common(1)
    of_cell: dict[str, int] = {}
    for i in able:
        if found[i].task == task:
            of_cell.setdefault(found[i].config.cell, i)
    return {*[*of_cell.values()][:DRAWN]}


def head(title: str, kind: str) -> str:
    """Return the head of a column; a column that can be sorted holds a button."""
    inner = f'<button type="button">{title}</button>' if kind else title
    return element("th", inner, scope="col", data_kind=kind or None, class_="words" if kind == "text" else None)


def document(top: pathlib.Path, where: pathlib.Path, found: Sequence[runs.Run], refused: Sequence) -> str:
    drawn = first_drawn(found)
    heads = "".join(head(*column) for column in COLUMNS)
    caption = "Accuracies in percent. Selected is by the label-free validator; oracle is an upper line, not a result."
    rows = "".join(row(i, run, where, i in drawn) for i, run in enumerate(found))
    finished = sum(run.state == "finished" for run in found)
    tools = (
        '<div class="tools"><label>Filter by any word<input type="search" id="filter" autocomplete="off"></label>'
        '<button type="button" id="all">Draw what is shown</button><button type="button" id="none">Draw none</button>'
        f'<p id="count" role="status">{len(found)} runs</p></div>'
    )
    picture = (
        '<figure class="chart overlay"><figcaption>Target accuracy <span>(%)</span></figcaption>'
        '<svg class="frame" id="overlay" role="img" aria-label="No run is drawn."></svg>'
        '<div class="keys" id="cells"></div><p class="says" id="near" aria-live="polite">'
        "Colours are cells. Move over the picture to name a curve.</p></figure>"
    )
    numbers = [
        {
            "cell": run.config.cell,
            "name": f"{run.config.cell}, {run.task}, seed {run.config.seed}",
            "curve": curve(run),
        }
        for run in found
    ]
    left = "".join(f"<li>{escape(why)}</li>" for _, why in refused)
    named = html.details(f"{len(refused)} folders that look like runs", f"<ul>{left}</ul>")
    parts = [
        paragraph(f"{len(found)} runs below {top}, {finished} of them finished."),
        html.section("runs", "Runs", tools, html.whole_number(caption, heads, rows, "runs")),
        html.section("curves", "Curves of the drawn runs", picture),
        html.section("left-out", "Left out", named) if left else "",
        data("runs-data", numbers),
    ]
    top_of_page = (
        '<div class="over"><p>tfuda: a folder of runs</p><button id="theme" type="button" hidden></button></div>'
        f"{element('h1', escape(top.resolve().name or str(top)))}"
    )
    body = element("header", top_of_page) + element("main", "\n".join(parts), id="main")
    return html.document(f"runs in {top.resolve().name}", body, ["common.js", "index.js"])
