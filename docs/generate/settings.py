"""Write docs/settings.md: every key and every option with its default, and what its source says of it.

python docs/generate/settings.py
"""

from __future__ import annotations

import ast
import functools
import inspect
import io
import pathlib
import re
import textwrap
import tokenize
from collections.abc import Iterable
from typing import Any

from ml_collections import ConfigDict

from tfuda import names
from tfuda.core.method import Method
from tfuda.experiment import cells, defaults

PAGE = pathlib.Path(__file__).parents[1] / "settings.md"
SEAMS = {"weighers": "weigher", "combiners": "combiner", "regularisers": "regulariser"}
CELL = ("cell", "method", *SEAMS.values())  # what a cell's word says
START = """# Settings

<!-- Written by docs/generate/settings.py from tfuda/experiment/defaults.py. Change that file, not this page. -->

Each key is a flag: `--config.optimizer.rate=0.02` sets `optimizer.rate`. A config's file sets what its data set
needs, and a recipe sets what its method needs. Both stand above the defaults of this page.
"""


def comments(source: str) -> dict[str, str]:
    """Return every key in the order of the source, with the comment beside the key, "" for none."""
    tree, mark = ast.parse(source), "config."
    found = _beside(source, [node for node in ast.walk(tree) if isinstance(node, ast.Assign)])
    return {key.removeprefix(mark): said for key, said in found.items() if key.startswith(mark)}


@functools.cache
def attributes(kind: Any) -> dict[str, str]:
    """Return what the source says of each option of a class: of a method the comments, else the docstring's Args."""
    if not issubclass(kind, Method):
        inside = (inspect.getdoc(kind) or "").partition("Args:\n")[2].partition("\n\n")[0]
        entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", inside, re.MULTILINE)
        return {name: " ".join(said.split()).rstrip(".") for name, said in entries}
    source = textwrap.dedent(inspect.getsource(kind))
    whole = next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
    return _beside(source, [node for node in whole.body if isinstance(node, ast.Assign | ast.AnnAssign)])


def meaning(kind: Any, key: str) -> str:
    """Return the meaning of an option, from the first class in the order of inheritance that has one, else ""."""
    found = (attributes(base).get(key) for base in kind.__mro__ if base.__module__.startswith("tfuda."))
    return next(filter(None, found), "")


def _beside(source: str, statements: list) -> dict[str, str]:
    """Return the targets of assignments, and the keys in their dictionaries, with the comment beside each."""
    at = {
        token.start[0]: (token.string.lstrip("# "), token.line.strip().startswith("#"))
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, str] = {}
    for statement in statements:
        key = ast.unparse(statement.target if isinstance(statement, ast.AnnAssign) else statement.targets[0])
        lines = [*range(statement.lineno, (statement.end_lineno or 0) + 1)]
        above = statement.lineno - 1
        while at.get(above, ("", False))[1]:
            lines, above = [above, *lines], above - 1
        for name, line, alone in _keys(statement.value):
            own = alone and line in at and line in lines and line != statement.lineno
            found.setdefault(f"{key}.{name}", at[line][0] if own else "")
            if own:
                lines.remove(line)
        found.setdefault(key, " ".join(at[line][0] for line in lines if line in at))
    return found


def _keys(value: ast.expr) -> list[tuple[str, int, bool]]:
    """Return the keys of a dictionary: each with its line, and whether no other key stands on that line."""
    keys = [key for node in ast.walk(value) if isinstance(node, ast.Dict) for key in node.keys]
    lines = [key.lineno for key in keys if key is not None]
    named = [key for key in keys if isinstance(key, ast.Constant)]
    return [(str(key.value), key.lineno, lines.count(key.lineno) == 1) for key in named]


def flat(config: ConfigDict, start: str = "") -> dict[str, Any]:
    """Return every value of a config by its dotted key; an empty group is a value."""
    found: dict[str, Any] = {}
    for key in config:
        value = config[key]
        inner = flat(value, f"{start}{key}.") if isinstance(value, ConfigDict) else {}
        found |= inner or {f"{start}{key}": {} if isinstance(value, ConfigDict) else value}
    return found


def table(rows: Iterable[tuple[str, ...]], *head: str) -> str:
    """Return a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def code(value: Any) -> str:
    """Return a value as it is written in Python."""
    return f"`{value!r}`"


def keys() -> list[str]:
    """Return the parts about the keys that every config has, in the order of the source."""
    said = comments(pathlib.Path(defaults.__file__).read_text("utf-8"))
    place = {key: number for number, key in enumerate(said)}
    config = defaults.default_config("source_only")
    left_out = {*CELL, "options", *(f"{seam}_options" for seam in SEAMS.values())}
    groups = {key for key in config if isinstance(config[key], ConfigDict) and config[key]} - left_out

    def rows(found: dict[str, Any]) -> str:
        every = sorted(found, key=lambda key: place.get(key, len(place)))
        return table(
            [(f"`{key}`", code(found[key]), said.get(key, "")) for key in every], "key", "default", "meaning"
        )

    single = {key: value for key, value in flat(config).items() if key.split(".")[0] not in {*groups, *left_out}}
    parts = ["## A run {#run}\n\n" + rows(single)]
    for group in sorted(groups, key=lambda key: place.get(key, len(place))):
        about = f"{said[group][:1].upper()}{said[group][1:]}.\n\n"
        parts.append(f"## {group} {{#{group}}}\n\n{about}" + rows(flat(config[group], f"{group}.")))
    return parts


def own_values() -> str:
    """Return the table of the keys that a cell sets to another value than source-only has."""
    plain = flat(defaults.default_config("source_only"))
    skip = (*CELL, "options", *(f"{seam}_options" for seam in SEAMS.values()))
    rows = []
    for cell in [*names.modules("methods"), *names.modules("weighers"), *names.modules("regularisers")]:
        here = flat(defaults.default_config(cell))
        other = {k: v for k, v in here.items() if k.split(".")[0] not in skip and plain.get(k, ...) != v}
        rows += [(f"`{cell}`", f"`{key}`", code(value)) for key, value in sorted(other.items())]
    return table(rows, "cell", "key", "value")


def options() -> list[str]:
    """Return the tables of the options of each method, weigher, combiner and regulariser, with their meanings."""
    parts = []
    for package in ("methods", *SEAMS):
        rows = []
        for name in names.modules(package):
            cell = cells.parse_cell(name if package == "methods" else f"source_only+{name}")
            place = "options" if package == "methods" else f"{SEAMS[package]}_options"
            found = flat(cell[place], f"{place}.")
            kind = names.resolve(name, package)
            useless = f"{place}.pada" if "pada" in getattr(kind, "refuses", ()) else None
            rows += [
                (f"`{name}`", f"`{key}`", code(value), meaning(kind, key.partition(".")[2]))
                for key, value in sorted(found.items())
                if not (useless and key.startswith(useless))
            ]
        head = (package, "key", "default", "meaning")
        parts.append(f"## Options of {package} {{#{package}}}\n\n" + table(rows, *head))
    return parts


def page() -> str:
    """Return the text of the page."""
    own = "## What a cell sets itself {#cells}\n\n" + own_values()
    about = "[Methods](methods/index.md) says what each option does.\n"
    return "\n".join([START, *keys(), own, about, *options()])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
