"""Judge each claim by its runs, and write the page of claims."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tfuda.studies import published_numbers, significance
from tfuda.studies.claims.catalogue import COSTS, SETTINGS, STEADY, Claim, Steadiness
from tfuda.studies.claims.measurements import Values, by_task, deviations

SURE = 0.05
NEAR = 0.15  # relative tolerance of a ratio of times to the printed one
MOST = 1000  # tasks, where more would be needed
VERDICTS = ("holds", "does not hold", "unclear", "too small to tell here", "not yet run")


class Step(NamedTuple):
    """Hold the result of a step.

    Attributes:
        worse, better: percent of both rows, means over tasks.
        gain: the mean difference over tasks.
        error: the standard error of the gain over tasks.
        tasks: how many tasks have both rows.
        p: of the sign-flip test over tasks.
        needed: tasks with which a gap as printed would show; 0 where no gap is printed.
        seeds: how many seeds both rows have on the task with the fewest.
    """

    worse: float
    better: float
    gain: float
    error: float
    tasks: int
    p: float
    needed: int
    seeds: int

    @property
    def verdict(self) -> str:
        """Return one of VERDICTS."""
        if self.p < SURE:
            return "holds" if self.gain > 0 else "does not hold"
        return "too small to tell here" if self.needed > self.tasks else "unclear"


def tasks_needed(deviation: float, gap: float) -> int:
    """Return how many tasks would show a gap with p < 0.05, where differences deviate so much; at most MOST.

    A gap shows with n tasks if it is at least t(n - 1) deviation / √n, with Student's t of 97.5 %.
    """
    from scipy.stats import t

    n = np.arange(2, MOST + 1)
    enough = abs(gap) >= t.ppf(0.975, n - 1) * deviation / np.sqrt(n)
    return int(n[enough.argmax()]) if enough.any() else MOST


def step(found: Values, worse: str, better: str, gap: float = 0.0) -> Step | None:
    """Return the result of a step, or None where no task has been run with both rows.

    Args:
        found: the measured accuracies.
        worse, better: names of rows.
        gap: the printed difference in points; 0 where none is printed.
    """
    gains = by_task(found, worse, better)
    if not gains:
        return None
    shared = {*found[worse]} & {*found[better]}
    seeds = min(sum(key[0] == task for key in shared) for task in gains)

    def level(row: str) -> float:
        own = [[found[row][key] for key in shared if key[0] == task] for task in gains]
        return statistics.fmean(map(statistics.fmean, own))

    each = [*gains.values()]
    deviation = statistics.stdev(each) if len(each) > 1 else math.nan
    needed = tasks_needed(deviation, gap) if gap and len(each) > 2 else 0
    error = deviation / math.sqrt(len(each))
    p = significance.sign_flip(each)
    return Step(level(worse), level(better), statistics.fmean(each), error, len(each), p, needed, seeds)


def verdict(steps: Sequence[Step | None]) -> str:
    """Return the verdict on a claim from the results of its steps."""
    said = [found.verdict for found in steps if found]
    if "does not hold" in said:
        return "does not hold"
    if len(said) < len(steps):
        return "not yet run"
    if {*said} == {"holds"}:
        return "holds"
    return "too small to tell here" if "too small to tell here" in said else "unclear"


def place(paper: str, table: str) -> str:
    """Format a table's place: ToAlign Table 1."""
    return f"{published_numbers.TITLES[paper]} {f'Table {table}' if table.isdigit() else table}"


def printed_numbers(claim: Claim) -> dict[str, str]:
    """Return {row: the paper's average} of the rows that the paper's table has."""
    names = dict.fromkeys(name for pair in claim.steps for name in pair)
    whole = "average" if claim.data != "mnist" else "mnist-mnistm"
    found = {
        row["cell"].partition("@")[0]: row["value"]  # the emoji have one recipe
        for row in published_numbers.rows()
        if (row["paper"], row["table"], row["data"], row["task"]) == (claim.paper, claim.table, claim.data, whole)
    }
    shown = {name: found.get(name.replace("~rounds=3", "~rounds=10"), "") for name in names}
    return {name: value for name, value in shown.items() if value}


def printed(claim: Claim) -> str:
    """Return the paper's averages, worst first."""
    return claim.printed or " → ".join(printed_numbers(claim).values())


def gap(claim: Claim, worse: str, better: str) -> float:
    """Return the printed gap of a step in points; 0 where a number is missing."""
    found = printed_numbers(claim)
    return float(found[better]) - float(found[worse]) if {worse, better} <= {*found} else 0.0


def judged(claims: Iterable[Claim], values: Mapping[str, Values]) -> dict[Claim, list[Step | None]]:
    """Return the results of all steps of every claim."""
    return {
        claim: [step(values.get(claim.setting, {}), *pair, gap(claim, *pair)) for pair in claim.steps]
        for claim in claims
    }


def corrected(found: Mapping[Claim, Sequence[Step | None]]) -> dict[Claim, float]:
    """Return {claim: p by Holm's correction} of the claims that have been run; p of a claim is its steps' largest."""
    run = [claim for claim, steps in found.items() if all(steps)]
    ps = [max(one.p for one in found[claim] if one) for claim in run]
    return dict(zip(run, significance.holm(ps), strict=True))


def claim_line(claim: Claim, steps: Sequence[Step | None], holm: float | None) -> list[str]:
    """Return a claim's line of the table."""
    here = "; ".join(
        f"{known.worse:.1f} → {known.better:.1f} ({known.gain:+.1f} ± {known.error:.1f})" if known else "—"
        for known in steps
    )
    sure = "; ".join(f"{known.tasks} × {known.seeds}, {known.p:.3f}" if known else "—" for known in steps)
    said = verdict(steps)
    if said == "too small to tell here":
        needed = max(known.needed for known in steps if known)
        said += f": needs n = {needed}" if needed < MOST else f": needs n > {MOST}"
    setting = "" if claim.setting == "single" else f" ({SETTINGS[claim.setting].title})"
    return [
        place(claim.paper, claim.table),
        claim.says + setting,
        printed(claim),
        here,
        sure,
        "" if holm is None else f"{holm:.3f}",
        said,
    ]


def steady_line(one: Steadiness, found: Values) -> list[str]:
    """Return the line of a claim on the spread over seeds."""
    low, high = deviations(found, one.base), deviations(found, one.row)
    tasks = [task for task in low if task in high]
    head = [place(one.paper, one.table), one.says, one.printed]
    if not tasks:
        return [*head, "—", "—", "", "not yet run"]
    gains = [high[task] - low[task] for task in tasks]
    p = significance.sign_flip(gains)
    a, b = (statistics.fmean(each[task] for task in tasks) for each in (low, high))
    said = "unclear" if p >= SURE else "holds" if b < a else "does not hold"
    return [*head, f"deviation {a:.2f} → {b:.2f}", f"{len(tasks)}, {p:.3f}", "", said]


def markdown(
    claims: Sequence[Claim],
    values: Mapping[str, Values],
    times: Mapping[str, float],
    counts: tuple[int, int],
    made: Iterable[str],
) -> str:
    """Return the page of claims, docs/claims.md.

    Args:
        claims: all claims.
        values: {setting: the measured accuracies}.
        times: {cell: ratio} of COSTS.
        counts: numbers of finished and planned runs.
        made: commits of the code that ran them.
    """
    papers = {claim.paper for claim in claims}
    table = [["paper", "claim", "paper's number", "here", "n × seeds, p", "p, Holm", "verdict"], ["---"] * 7]
    found = judged(claims, values)
    holm = corrected(found)
    table += [claim_line(claim, steps, holm.get(claim)) for claim, steps in found.items()]
    table += [steady_line(one, values.get("single", {})) for one in STEADY if one.paper in papers]
    for cost in (cost for cost in COSTS if cost.paper in papers):
        ratio = times.get(cost.cell)
        near = "not yet run" if ratio is None else "holds" if abs(ratio / cost.ratio - 1) <= NEAR else "does not hold"
        here = "—" if ratio is None else f"× {ratio:.2f}"
        table.append([place(cost.paper, cost.table), cost.says, f"× {cost.ratio}", here, "", "", near])
    count = {name: sum(line[-1].startswith(name) for line in table[2:]) for name in VERDICTS}
    seeds = {seed for each in values.values() for own in each.values() for _, seed in own}
    return TEXT.format(
        done=counts[0],
        planned=counts[1],
        seeds=", ".join(map(str, sorted(seeds))) or "none",
        commits=", ".join(sorted(made)) or "none",
        count=", ".join(f"{number} {name}" for name, number in count.items()),
        least=f"{significance.smallest(9):.3f}",
        ran=len(holm),
        bound=f"{min(1.0, significance.smallest(9) * max(len(holm), 1)):.3f}",
        lines="\n".join("| " + " | ".join(line) + " |" for line in table),
    )


TEXT = """# The papers' claims on the emoji

{done} of {planned} runs are done; seeds {seeds}; commit {commits}.
Of the claims: {count}.

A step `a → b` is mean target accuracy at the end of training over the tasks (n) that have both, with the gain, its
standard error over tasks, and the p of the paired sign-flip test over tasks. Seeds of a task are averaged first; a
step takes the seeds that both rows have, so a row may have other averages elsewhere. A claim holds where every step
gains with p < 0.05, and does not hold where one loses with such a p. It is "too small to tell here" where even the
printed gap would not show with so many tasks: n is what it needs, by the spread over tasks and not by the gain that
was found. It is unclear else.

Nine tasks give no p below {least}, and none below {bound} after Holm's correction for the {ran} claims that were run.
Verdicts read the p as it stands: expect one of forty empty claims to hold by chance. The papers' numbers are
averages over Office-31, Office-Home or DomainNet, and MNIST → MNIST-M. Rounds are judged by the network of the third
round. A cost holds within 15 %.

{lines}

    make claims

runs what is missing, first seeds first, and writes this page anew; a single claim is

    python run/benchmark.py --config=configs/emoji.py --methods=dannp,dannp+toalign --tasks=untuned --seeds=3
"""
