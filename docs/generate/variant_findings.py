"""Write the tables of the emoji's variants: batch norm, stages that learn, missing classes, and the parts of BIWAA.

python docs/generate/variant_findings.py
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence

import emoji_findings as findings

from tfuda.configs import emoji
from tfuda.studies import significance

TUNED = "@tuned"
PASSED = "adabn[mixed=True]"  # source-only, with target images passing through batch norm as under methods that align
PAIRS = (
    ("dannp", "dann"),
    ("dannp+toalign", "dannp"),
    ("hda", "dannp"),
    ("hda+toalign", "hda"),
    (PASSED, findings.BASE),
    *((method, PASSED) for method in ("dann", "dannp", "hda")),
)
PARTS = {  # what is added to MSTN: folder below docs/results/emoji, flags
    "the weights alone": ("biwaa_weights", "--config.samplers.source=uniform --config.beliefs.rate=1.0"),
    "all but the weights": ("biwaa_rest", "--config.samplers.source=balanced --config.beliefs.rate=0.9"),
}


def made_by(folder: str, values: findings.Values, flags: str = "") -> list[str]:
    """Return the commands that made the results of a folder, one for each number of seeds."""
    commits = sorted({row["commit"][:10] for row in findings.rows(folder) if row["cell"] in values})
    return [
        f"n = 9 untuned tasks, at {', '.join(commits)}; columns are those of the table above:",
        "",
        *findings.commands(values, flags),
        "",
    ]


def by_task(values: findings.Values) -> list[str]:
    """Return a table of the tasks: a line for each cell."""
    tasks = emoji.TASKS["untuned"]
    lines = [f"| method | {' | '.join(tasks)} |", "|---|" + "---:|" * len(tasks)]
    for cell, own in values.items():
        means = findings.averages(own)
        lines.append(f"| `{cell}` | {' | '.join(f'{means[task]:.1f}' for task in tasks)} |")
    return lines


def batch_norm() -> list[str]:
    """Return what each method gains over source-only, and over the one whose batch norm has seen the target too."""
    values = findings.accuracies_in("")
    over, beyond = findings.tested(values, findings.BASE), findings.tested(values, PASSED)
    lines = [f"| method | seeds | over `{findings.BASE}` | over `{PASSED}` | p | p, Holm |", "|---|" + "---:|" * 5]
    for cell in over:
        line = [f"`{cell}`", str(findings.counted(values[cell])), f"{over[cell][0]:+.1f} ± {over[cell][1]:.1f}"]
        if cell in beyond:
            gain, error, p, holm = beyond[cell]
            line += [f"{gain:+.1f} ± {error:.1f}", f"{p:.3f}", f"{holm:.3f}"]
        lines.append(f"| {' | '.join(line + [''] * (6 - len(line)))} |")
    said = [findings.compared(values, method, "adabn") for method in ("dann", "dannp", "source_only+mcc", "gsda")]
    return [*made_by("", values), *lines, "", *said]


def tuned_averages() -> list[str]:
    """Return the table of averages where the last stages learn."""
    values = findings.accuracies_in("tuned")
    base = findings.BASE + TUNED
    return [*made_by("tuned", values), *findings.short_table(values, base)]


def tuned() -> list[str]:
    """Return the tables where the last stages learn, and what is gained over frozen ones."""
    values, frozen = findings.accuracies_in("tuned"), findings.accuracies_in("")
    pairs = [(one + TUNED, other + TUNED) for one, other in PAIRS]
    pairs += [(cell, cell.removesuffix(TUNED)) for cell in values]
    both = values | frozen
    said = [findings.compared(both, *pair) for pair in pairs if {*pair} <= {*both}]
    return [*tuned_averages(), "", *by_task(values), "", *said]


def partial() -> list[str]:
    """Return the table where the target shows ten classes alone."""
    values = findings.accuracies_in("partial")
    return [*made_by("partial", values, "--config.target_classes=10"), *findings.short_table(values)]


def biwaa() -> list[str]:
    """Return how the parts of BIWAA were told apart, and what each gains on MSTN."""
    whole = findings.accuracies_in("")
    commands, lines = [], ["| added to MSTN | seeds | gain | p | worst task | best task |", "|---|" + "---:|" * 5]
    for title, (folder, flags) in PARTS.items():
        own = findings.accuracies_in(folder)
        commands += findings.commands(own, flags)
        lines.append(part(title, whole | own, next(iter(own))))
    return [*commands, "", *lines, part("both: `mstn+biwaa`", whole, "mstn+biwaa")]


def part(title: str, values: findings.Values, cell: str) -> str:
    """Return a line of BIWAA's table: a cell less MSTN, by differences of the same task and seed."""
    gains = findings.differences(values, cell, "mstn")
    gain, error = findings.mean_and_error(gains)
    p, seeds = significance.sign_flip(gains), findings.counted(values[cell])
    return f"| {title} | {seeds} | {gain:+.1f} ± {error:.1f} | {p:.3f} | {min(gains):+.1f} | {max(gains):+.1f} |"


SECTIONS: Mapping[pathlib.Path, Sequence[Callable[[], list[str]]]] = {
    findings.PAGE: (batch_norm, tuned, partial, biwaa),
    findings.README: (tuned_averages,),
}


def marks(make: Callable) -> tuple[str, str]:
    """Return the comments around what a function writes."""
    name = make.__name__
    return f"<!-- {name}: written by docs/generate/variant_findings.py -->", f"<!-- end of {name} -->"


def written(path: pathlib.Path, text: str) -> str:
    """Return a page with its tables of variants written anew."""
    for make in SECTIONS[path]:
        start, end = marks(make)
        if start not in text:
            raise ValueError(f"{path} has no line {start}")
        before, _, rest = text.partition(start)
        text = before + "\n".join([start, "", *make(), "", end]) + rest.partition(end)[2]
    return text


if __name__ == "__main__":
    for page in SECTIONS:
        page.write_text(written(page, page.read_text("utf-8")), "utf-8")
