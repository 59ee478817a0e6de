"""Write the parts of a run's page that need its folder alone: numbers, curves, health, validators, config."""

from __future__ import annotations

import math
import pathlib
import runpy
import shlex

from ml_collections import ConfigDict

from tfuda.evaluation import validators as choosing
from tfuda.experiment import defaults, diagnostics, shipped_configs
from tfuda.experiment.workdir import flat
from tfuda.names import PARTS
from tfuda.reports.pages import charts, words
from tfuda.reports.pages.charts import Chart, Line
from tfuda.reports.pages.html import details, element, escape, facts, paragraph, table
from tfuda.reports.pages.runs import Run

ACCURACIES = {
    "target_accuracy": "target",
    "source_accuracy": "source",
    "target_mean_class": "target, mean over classes",
    "source_mean_class": "source, mean over classes",
}
ROWS = 100  # of metrics.csv that the table shows


def tenth(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%" if math.isfinite(share) else "not finite"


def column(run: Run, name: str) -> list[float]:
    return [row.get(name, math.nan) for row in run.rows]


def steps(run: Run) -> list[float]:
    return [row["step"] for row in run.rows]


# ---- the numbers


def headline(run: Run) -> str:
    """Return the run's name, and the three numbers with their meanings."""
    numbers = run.numbers
    time = f"{numbers['seconds']:,.0f} s" if "seconds" in numbers else "not known yet"
    about = facts(
        [
            ("method", escape(run.name)),
            ("task", escape(run.task)),
            ("seed", escape(run.config.seed)),
            ("steps", escape(f"{run.config.steps:,}")),
            ("training time", escape(time)),
            ("state", escape(run.state)),
        ]
    )
    if not run.rows:
        return about + paragraph(
            "There is no measurement yet: the first comes at the end of the first segment.", "warn"
        )
    parts = [about]
    if run.state != "finished":
        parts.append(paragraph(f"The run has not ended ({run.state}): its numbers are those so far.", "warn"))
    cards = cards_of(numbers, numbers, run.labelled)
    if numbers["metric"] == "mean_class":
        cards += cards_of(numbers["accuracy"], numbers, run.labelled)
    items = "".join(
        f"<li><b>{escape(name)}</b><strong>{tenth(value)}</strong><p>{escape(says)}</p></li>"
        for value, name, says in cards
    )
    parts.append(element("ul", items, class_="numbers"))
    if not run.labelled:
        parts.append(
            paragraph(
                "This run has no labels of the target, so it cannot say how often the network is right there. What "
                "it predicts, how sure it is, and what the validators say stands below; the step that "
                f"{numbers['validator']} chooses is {numbers['selected_step']}."
            )
        )
    if "skipped" in numbers:
        parts.append(paragraph(f"{numbers['skipped']} steps were skipped: not all in them was finite.", "warn"))
    return "\n".join(parts)


def cards_of(values: dict, numbers: dict, labelled: bool) -> list[tuple[float, str, str]]:
    """Return (value, name, meaning) of the accuracies.

    Args:
        values: last, selected, oracle and source of one metric.
        numbers: all of the run's numbers.
        labelled: the target's test images have labels.
    """
    classes = values is numbers and numbers["metric"] == "mean_class"
    kind, cards = "mean over classes" if classes else "accuracy", []
    if labelled:
        for name in ("last", "selected", "oracle"):
            more = f" Here {numbers['validator']}, and step {numbers['selected_step']}." if name == "selected" else ""
            cards.append((values[name], name, f"Target {kind} {words.NUMBERS[name]}.{more}"))
    return [*cards, (values["source"], "source", f"Source {kind} {words.NUMBERS['source']}.")]


# ---- curves


def curves(run: Run) -> str:
    """Return charts of the accuracies and every term of the loss, with the selected step marked."""
    known = {name: text for name, text in ACCURACIES.items() if name in run.rows[0]}
    lines = [Line(text, column(run, name)) for name, text in known.items()]
    drawn = [Chart("Test accuracy", lines, True, run.selected)]
    terms = [Line(name, column(run, name)) for name in run.terms]
    terms += [Line("loss, all weighted", column(run, "loss"))] if "loss" in run.rows[0] else []
    if terms:
        drawn.append(Chart("Terms of the loss, mean over a segment", terms, marked=run.selected))
    intro = paragraph(
        f"Measured after every {run.config.segment} steps. Move over a picture, or use the slider with the arrow "
        "keys, to read values; the boxes show and hide lines."
    )
    rows = run.rows[:: max(1, -(-len(run.rows) // ROWS))]
    names = [name for name in run.rows[0] if name != "step"]
    cells = [[f"{row['step']:.0f}", *(f"{row[name]:.4g}" for name in names)] for row in rows]
    more = details("All numbers as a table", table("metrics.csv", ["step", *names], cells))
    return "\n".join([intro, charts.group("curves", steps(run), drawn, run.selected), more])


# ---- health


def vitals(run: Run, classes: int) -> str:
    """Return the complaints about the run's health, and the numbers they were read from."""
    said = diagnostics.complaints(run.rows, classes, run.config.steps)
    found = [paragraph(f"{sentence[0].upper()}{sentence[1:]}.", "warn") for sentence in said.values()]
    if not found:
        found = [paragraph("No known failure shows: no lost or collapsed discriminator, no class that swallows all.")]
    drawn = [
        Chart(title, [Line(name, column(run, name))], name in SHARES, says=tells, small=True)
        for name, (title, tells) in words.HEALTH.items()
        if name in run.rows[0]
    ]
    last = len(run.rows) - 1
    return "\n".join([*found, charts.group("health", steps(run), drawn, last) if drawn else ""])


SHARES = ("discriminator", "largest_class", "pseudo_rate", "dead")


# ---- validators


def validators(run: Run) -> str:
    """Return each label-free validator with the step that it would choose."""
    if not run.validators:
        return ""
    rows, drawn = [], []
    target = f"target_{run.numbers['metric']}"
    for name in run.validators:
        row, way = choosing.chosen(run.rows, name), "highest" if choosing.named(name).sign > 0 else "lowest"
        used = " (used for “selected”)" if name == run.numbers["validator"] else ""
        cells = [escape(name + used), f"{row[choosing.column(name)]:.4g}, the {way}", f"{row['step']:.0f}"]
        rows.append([*cells, *([tenth(row[target])] if run.labelled else []), escape(words.VALIDATORS.get(name, ""))])
        line = [Line(name, column(run, choosing.column(name)))]
        drawn.append(
            Chart(name, line, False, run.rows.index(row), "its choice", f"The {way} is the best.", small=True)
        )
    heads = [
        "validator",
        "value",
        "step it chooses",
        *(["target accuracy there"] if run.labelled else []),
        "what it is",
    ]
    caption = "What each would choose without target labels" + (
        ", and what that choice is worth on them." if run.labelled else "."
    )
    listed = table(caption, heads, rows, text=[len(heads) - 1])
    return listed + charts.group("validators", steps(run), drawn, run.selected)


# ---- config


def shipped_config(run: Run) -> tuple[str, dict]:
    """Return (name, flat config) of the library's config file that the command named, as it is now; else ("", {})."""
    named = [str(word).partition("=")[2] for word in run.about.get("command", []) if "--config=" in str(word)]
    file = shipped_configs.FOLDER / f"{pathlib.PurePath(named[0].partition(':')[0]).stem}.py" if named else None
    if not file or not file.is_file():
        return "", {}
    try:
        made = runpy.run_path(str(file))["get_config"](run.config.cell)
    except Exception:  # a file of another version than the run's
        return "", {}
    return f"configs/{file.name}", flat(made.to_dict())


def config(run: Run) -> str:
    """Return where the config differs from defaults, and the run's origin."""
    own = flat(run.config.to_dict())
    name, file = shipped_config(run)
    base = flat(defaults.default_config("+".join(filter(None, (run.config[part] for part in PARTS)))).to_dict())
    asked = {str(w).lstrip("-").removeprefix("config.").partition("=")[0] for w in run.about.get("command", [])}
    rows: dict[bool, list] = {True: [], False: []}  # by whether the value differs from the config file's
    for key in sorted({*own, *base} - {"cell"}):
        columns = [own.get(key), *([file.get(key)] if name else []), base.get(key)]
        if len({*map(plain_value, columns)}) > 1:
            said = escape(key) + (" (asked for in the command)" if key in asked else "")
            cells = [element("code", escape(plain_value(value))) for value in columns]
            rows[plain_value(columns[0]) != plain_value(columns[1])].append([said, *cells])
    heads = ["setting", "this run", *([f"{name}, as it is now"] if name else []), "the library's default"]
    text = range(1, len(heads))
    default = name or "the library's default"
    parts = [paragraph(f"Every setting is that of {default}.")]
    if rows[True]:
        parts = [table(f"Settings that differ from {default}.", heads, rows[True], text=text)]
    if rows[False]:
        shared = table(f"Settings that {name} has otherwise than the library.", heads, rows[False], text=text)
        parts.append(details(f"What {name} changes", shared))
    whole = [[escape(key), element("code", escape(plain_value(value)))] for key, value in sorted(own.items())]
    every = table("The whole config.", ["setting", "value"], whole, text=[1])
    return "\n".join([origin(run), *parts, details("Every setting", every)])


def origin(run: Run) -> str:
    command = run.about.get("command") or []
    versions = run.about.get("versions") or {}
    known = [
        ("seed", escape(run.config.seed)),
        ("commit", element("code", escape(run.about.get("commit") or "not known"))),
        *((escape(key), escape(value)) for key, value in versions.items()),
    ]
    line = element("code", escape(shlex.join(map(str, command)))) if command else "not known"
    folder = element("code", escape(run.folder))
    wide = "".join(
        f'<p><span class="note">{name}</span><br>{text}</p>' for name, text in (("command", line), ("folder", folder))
    )
    return facts(known) + wide


def plain_value(value: object) -> str:
    """Format a value for a reader: nothing is “empty”."""
    if value is None:
        return "–"
    if isinstance(value, ConfigDict | dict):
        return "{}"
    return str(list(value) if isinstance(value, tuple) else value) or "“”"
