"""Write a table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple


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
