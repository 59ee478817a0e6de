"""Write the numbers of emoji-findings, adapt, choosing and README from the files in docs/results/emoji.

python docs/generate/emoji_findings.py
"""

from __future__ import annotations

import collections
import csv
import json
import math
import pathlib
import shlex
import statistics
from collections.abc import Sequence

from tfuda.configs import emoji
from tfuda.studies import choices_study, significance

DOCS = pathlib.Path(__file__).parents[1]
RESULTS = DOCS / "results" / "emoji"
PAGE, ADAPT, CHOOSING = DOCS / "emoji-findings.md", DOCS / "adapt.md", DOCS / "choosing.md"
README = DOCS.parent / "README.md"
START, END = "<!-- emoji table: written by docs/generate/emoji_findings.py -->", "<!-- end of the emoji table -->"
BASE = "source_only"
COMMAND = "python run/benchmark.py --config=configs/emoji.py --tasks=untuned"
HEAD = "| method | seeds | average of 9 | of 7 | gain over source-only | p | p, Holm |"
PAIRS = (  # what papers claim, or what stands on what
    ("dannp", "dann"),
    ("dannp+toalign", "dannp"),
    ("hda+toalign", "hda"),
    ("hda", "dannp"),
    ("gvb", "dannp"),
    ("dann+biwaa", "dann"),
    ("mstn+biwaa", "mstn"),
    ("gsda", "dann"),
    ("gsda", "cdane"),
)
REACH = 2.306 + 0.889  # standard errors, by Student's t of nine tasks: so large a gain has p < 0.05 in 80 % of cases
ALIKE = ("O-L", "L-O")  # L is O without its fills


def rows(folder: str = "") -> list[dict[str, str]]:
    """Return the rows of results.csv in a folder of docs/results/emoji."""
    with open(RESULTS / folder / "results.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


Values = dict[str, dict[str, dict[str, float]]]  # {cell: {task: {seed: %}}}


def accuracies(found: Sequence[dict[str, str]], column: str = "last") -> Values:
    """Return the values of a column of the cells that have every untuned task."""
    values: Values = {}
    for row in found:
        if row["task"] in emoji.TASKS["all"]:
            own = values.setdefault(row["cell"], {}).setdefault(row["task"], {})
            own[row["seed"]] = 100 * float(row[column])
    return {cell: own for cell, own in values.items() if {*emoji.TASKS["untuned"]} <= {*own}}


def accuracies_in(folder: str) -> Values:
    """Return the accuracies of a folder of results below docs/results/emoji; none where it is not there."""
    return accuracies(rows(folder)) if (RESULTS / folder / "results.csv").is_file() else {}


def averages(own: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return {task: mean over seeds, %} of a cell."""
    return {task: statistics.fmean(seeds.values()) for task, seeds in own.items()}


def differences(values: Values, one: str, other: str) -> list[float]:
    """Return by how much a cell is better than another on each untuned task: means over the seeds that both have."""
    pairs = [(values[one][task], values[other][task]) for task in emoji.TASKS["untuned"]]
    return [statistics.fmean(a[seed] - b[seed] for seed in a.keys() & b.keys()) for a, b in pairs]


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean over tasks and its standard error."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return statistics.fmean(values), error


def tested(values: Values, base: str) -> dict[str, tuple[float, float, float, float]]:
    """Return {cell: (mean gain over a base, its standard error, p, p by Holm)}, a pair for each untuned task."""
    gains = {cell: differences(values, cell, base) for cell in values if cell != base}
    ps = [significance.sign_flip(each) for each in gains.values()]
    holm = significance.holm(ps)
    return {c: (*mean_and_error(g), p, h) for (c, g), p, h in zip(gains.items(), ps, holm, strict=True)}


def counted(own: dict[str, dict[str, float]]) -> int:
    """Return how many seeds a cell has on every untuned task."""
    return min(len(own[task]) for task in emoji.TASKS["untuned"])


def short_table(values: Values, base: str = BASE) -> list[str]:
    """Return the table of averages: a line for each cell, with its gain over a base."""
    gains, untuned = tested(values, base), emoji.TASKS["untuned"]
    seven = [task for task in untuned if task not in ALIKE]
    lines = [HEAD, "|---|---:|---:|---:|---:|---:|---:|"]
    for cell, own in values.items():
        means = averages(own)
        nine, less = (statistics.fmean(means[task] for task in tasks) for tasks in (untuned, seven))
        line = [f"`{cell}`", str(counted(own)), f"{nine:.1f}", f"{less:.1f}"]
        if cell in gains:
            gain, error, p, holm = gains[cell]
            line += [f"{gain:+.1f} ± {error:.1f}", f"{p:.3f}", f"{holm:.3f}"]
        lines.append(f"| {' | '.join(line + [''] * (7 - len(line)))} |")
    return lines


def long_table(values: Values) -> list[str]:
    """Return the table of tasks: a line for each cell, the tuned tasks that some cell has last, at seed 0."""
    tuned = [task for task in emoji.TUNED if any("0" in own.get(task, {}) for own in values.values())]
    tasks = [*emoji.TASKS["untuned"], *tuned]
    names = [f"{task} (tuned, seed 0)" if task in tuned else task for task in tasks]
    lines = [f"| method | {' | '.join(names)} |", "|---|" + "---:|" * len(tasks)]
    for cell, own in values.items():
        means = averages(own) | {task: own[task]["0"] for task in tuned if "0" in own.get(task, {})}
        lines.append(f"| `{cell}` | {' | '.join(f'{means[t]:.1f}' if t in means else '' for t in tasks)} |")
    return lines


def commands(values: Values, flags: str = "") -> list[str]:
    """Return the commands that made some cells, one for each number of seeds, as lines of Markdown."""
    lines = []
    for seeds in sorted({counted(own) for own in values.values()}, reverse=True):
        cells = ",".join(cell for cell, own in values.items() if counted(own) == seeds)
        words = [COMMAND, *([flags] if flags else []), f"--seeds={seeds}", f"--methods={shlex.quote(cells)}"]
        lines.append(f"    {' '.join(words)}")
    return lines


def caption(found: Sequence[dict[str, str]], values: Values) -> str:
    """Return what the numbers are: seeds, n, commits, commands."""
    about = json.loads((RESULTS / "results.json").read_text("utf-8"))
    commits = sorted({row["commit"][:10] for row in found if row["cell"] in values})
    made_by = commands(values)
    several = (
        " A gain is of the seeds that a method and source_only share, so averages of methods with unlike numbers of "
        "seeds are not to be compared."
    )
    return (
        "Target accuracy at the end of training in %, means over seeds, n = 9 untuned tasks. ± is the standard error "
        "over tasks, and p is of a sign-flip test over tasks, which Holm corrects for the number of methods: with "
        f"nine tasks no p is below {significance.smallest(9):.3f}, and none of {len(values) - 1} below "
        f"{(len(values) - 1) * significance.smallest(9):.3f} after it. Three "
        f"tasks that were tuned on are left out, and 'of 7' leaves out {' and '.join(ALIKE)} too, whose "
        f"drawings are nearly alike.{several * (len(made_by) > 1)} "
        f"Commit{'s' * (len(commits) > 1)} {', '.join(commits)}, TensorFlow {about['versions']['tensorflow']}:\n\n"
        + "\n".join(made_by)
        + "\n"
    )


def compared(values: Values, one: str, other: str) -> str:
    """Return a sentence that compares two cells over the untuned tasks, by differences of the same task and seed."""
    gains = differences(values, one, other)
    gain, error = mean_and_error(gains)
    p, seen = significance.sign_flip(gains), REACH * error
    verdict = (
        f"p = {p:.3f}"
        if p < 0.05
        else f"too small to tell: a difference of {seen:.1f} would show, in four of five cases"
    )
    return f"- `{one}` less `{other}`: {gain:+.1f} ± {error:.1f} points, {verdict}."


def pairs_table(values: Values) -> list[str]:
    """Return the table of PAIRS, by differences of the same task and seed, with Holm's correction."""
    pairs = [pair for pair in PAIRS if {*pair} <= {*values}]
    seven = [at for at, task in enumerate(emoji.TASKS["untuned"]) if task not in ALIKE]
    gains = [differences(values, *pair) for pair in pairs]
    ps = [significance.sign_flip(each) for each in gains]
    lines = ["| method | less | gain | p | p, Holm | p of 7 tasks | would show |", "|---|---|" + "---:|" * 5]
    for (one, other), each, p, holm in zip(pairs, gains, ps, significance.holm(ps), strict=True):
        gain, error = mean_and_error(each)
        less = significance.sign_flip([each[at] for at in seven])
        shows = f"{REACH * error:.1f}"
        lines.append(
            f"| `{one}` | `{other}` | {gain:+.1f} ± {error:.1f} | {p:.3f} | {holm:.3f} | {less:.3f} | {shows} |"
        )
    return [
        "Pairs, by differences of the same task and seed. A gain as large as the last column has p < 0.05 in four of "
        "five cases; where p is above 0.05, smaller ones are too small to tell:",
        "",
        *lines,
    ]


def goals(found: Sequence[choices_study.Choice]) -> list[str]:
    """Return how the choices stand to the two goals that were set before, in words."""
    lines = []
    for name, own in (("plain targets", [one for one in found if one.variant == "plain"]), ("all variants", found)):
        near = sum(one.gain >= -choices_study.POINT - 1e-9 for one in own) / len(own)
        best = sum(one.best_accuracy - one.source_only for one in own)
        share = sum(one.gain for one in own) / best
        met = [
            f"{'met' if value >= goal else 'missed'} ({100 * value:.0f} %)"
            for value, goal in ((near, 0.95), (share, 0.7))
        ]
        lines.append(f"- {name}, {len(own)} runs: the first is {met[0]}, the second {met[1]}.")
    lacking = [one for one in found if one.variant == "partial"]
    kept = sum(one.chosen == BASE for one in lacking)
    often = {
        variant: statistics.mode(one.best for one in found if one.variant == variant)
        for variant in ("partial", "imbalanced")
    }
    missed = collections.Counter(one.task for one in found if not one.low <= one.accuracy <= one.high)
    where = ", ".join(f"{task} ({count})" for task, count in missed.most_common())
    return [
        "Two goals were set before: 95 % of the runs at most one point below source-only, and 70 % of the best gain.",
        "",
        *lines,
        "",
        f"Where classes are missing, source-only was kept in {kept} of {len(lacking)} runs, and the best of the five "
        f"is `{often['partial']}` most often. Where they are rare it is `{often['imbalanced']}`. "
        f"The interval misses the truth in {missed.total()} of {len(found)} runs, by task: {where}. Runs of one task "
        "err alike, so that is nine tasks and not so many runs.",
    ]


def choice_lines() -> list[str]:
    """Return what `tfuda adapt` would have chosen, by variant and by task, as Markdown."""
    found = choices_study.read(RESULTS / "choices.csv")
    lines = [
        "Untuned tasks, in points:",
        "",
        *choices_study.summary([one for one in found if one.task not in emoji.TUNED]),
        "",
        *goals([one for one in found if one.task not in emoji.TUNED]),
        "",
        f"{len({one.task for one in found})} of the {len(emoji.TASKS['all'])} tasks, means over seeds:",
        "",
        "| variant | task | seeds | chosen | target accuracy | source-only | best of the five |",
        "|---|---|---:|---|---:|---:|---:|",
    ]
    for variant, task in dict.fromkeys((one.variant, one.task) for one in found):
        own = [one for one in found if (one.variant, one.task) == (variant, task)]
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(one.chosen for one in own))
        columns = zip(*((one.accuracy, one.source_only, one.best_accuracy) for one in own), strict=True)
        numbers = " | ".join(f"{100 * statistics.fmean(column):.1f}" for column in columns)
        name = task + " (tuned)" * (task in emoji.TUNED)
        lines.append(f"| {variant} | {name} | {len(own)} | {names} | {numbers} |")
    return lines


def confidence_lines() -> list[str]:
    """Return the calibration errors of the emoji's runs, as Markdown."""
    return [
        "Expected calibration error on target labels, in points, mean over runs, before and after each temperature. "
        "`tfuda adapt` takes the last one:",
        "",
        *(RESULTS / "ece.md").read_text("utf-8").splitlines(),
    ]


def section() -> str:
    """Return what stands in README."""
    found = rows()
    values = accuracies(found)
    return "\n".join([START, "", caption(found, values), *short_table(values), "", END])


def replaced(text: str, new: str) -> str:
    """Return a text with what stands between START and END replaced."""
    before, _, rest = text.partition(START)
    return before + new + rest.partition(END)[2]


def page(text: str) -> str:
    """Return docs/emoji-findings.md with its tables written anew."""
    found = rows()
    values = accuracies(found)
    tables = [*short_table(values), "", *long_table(values), "", *pairs_table(values)]
    both = [START, "", caption(found, values), *tables, "", END]
    return replaced(text, "\n".join(both))


def adapt_page(text: str) -> str:
    """Return docs/adapt.md with what was chosen and estimated written anew."""
    estimates = (RESULTS / "estimates.md").read_text("utf-8").splitlines()
    lines = [START, "", *choice_lines(), "", *estimates, "", *confidence_lines(), "", END]
    return replaced(text, "\n".join(lines))


def choosing_page(text: str) -> str:
    """Return docs/choosing.md with the table of validators written anew."""
    lines = (RESULTS / "validators.md").read_text("utf-8").strip()
    return replaced(text, "\n".join([START, "", lines, "", END]))


PAGES = {CHOOSING: choosing_page, README: lambda text: replaced(text, section()), PAGE: page, ADAPT: adapt_page}


if __name__ == "__main__":
    for path, written in PAGES.items():
        path.write_text(written(path.read_text("utf-8")), "utf-8")
