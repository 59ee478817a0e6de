"""Judge each claim by its runs, and write the page of claims."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tfuda.studies import published_numbers, significance
from tfuda.studies.claims.catalogue import COSTS, Claim

SURE = 0.05
NEAR = 0.15  # relative tolerance of a ratio of times to the printed one
VERDICTS = ("holds", "does not hold", "unclear", "not yet run")
Values = dict[str, dict[tuple[str, int], float]]  # {cell or variant: {(task, seed): percent}}


class Step(NamedTuple):
    """The result of a step on the digits: percent of both, mean difference, its deviation over seeds, pairs, p."""

    worse: float
    better: float
    gain: float
    deviation: float | None
    pairs: int
    p: float

    @property
    def says(self) -> str:
        return f"{self.gain:+.1f}" + ("" if self.deviation is None else f" ± {self.deviation:.1f}")

    @property
    def verdict(self) -> str:
        if self.p >= SURE:
            return "unclear"
        return "holds" if self.gain > 0 else "does not hold"


def step(values: Values, worse: str, better: str) -> Step | None:
    """Return the result of a step.

    Args:
        values: the measured accuracies.
        worse, better: two cells or two variants.

    Returns:
        The result, or None where no task has been run with both.
    """
    low, high = values.get(worse, {}), values.get(better, {})
    shared = sorted({*low} & {*high})
    if not shared:
        return None
    gains = [high[key] - low[key] for key in shared]
    seeds = sorted({seed for _, seed in shared})
    each = [statistics.fmean(high[key] - low[key] for key in shared if key[1] == seed) for seed in seeds]
    return Step(
        statistics.fmean(low[key] for key in shared),
        statistics.fmean(high[key] for key in shared),
        statistics.fmean(gains),
        statistics.stdev(each) if len(each) > 1 else None,
        len(shared),
        significance.sign_flip(gains),
    )


def verdict(steps: Sequence[Step | None]) -> str:
    """Return the verdict on a claim from the results of its steps."""
    said = [found.verdict for found in steps if found]
    if "does not hold" in said:
        return "does not hold"
    if len(said) < len(steps):
        return "not yet run"
    return "holds" if {*said} == {"holds"} else "unclear"


def place(paper: str, table: str) -> str:
    """Format a table's place: ToAlign Table 1."""
    return f"{published_numbers.TITLES[paper]} {table if table.startswith('Figure') else f'Table {table}'}"


def printed(claim: Claim) -> str:
    """Return the paper's averages, worst first."""
    if claim.printed:
        return claim.printed
    names = list(dict.fromkeys(name for pair in claim.steps for name in pair))
    whole = "average" if claim.data != "mnist" else "mnist-mnistm"
    found = {
        row["cell"].partition("@")[0]: row["value"]  # the digits have one recipe
        for row in published_numbers.rows()
        if (row["paper"], row["table"], row["data"], row["task"]) == (claim.paper, claim.table, claim.data, whole)
    }
    shown = [found.get(name, "") for name in names]
    return " → ".join(value for value in shown if value)


def markdown(
    claims: Sequence[Claim],
    values: Values,
    times: Mapping[str, float],
    done: int,
    lost: int,
    planned: int,
    made: Sequence[str],
) -> str:
    """Return the page of claims, docs/claims.md.

    Args:
        claims: all claims.
        values: the measured accuracies.
        times: {cell: ratio} of COSTS.
        done, lost, planned: numbers of finished, diverged and planned runs.
        made: commits of the code that ran them.
    """
    tasks = sorted({task for known in values.values() for task, _ in known})
    seeds = sorted({seed for known in values.values() for _, seed in known})
    table = [["paper", "claim", "paper's number", "here", "n, p", "verdict"], ["---"] * 6]
    for claim in claims:
        steps = [step(values, *pair) for pair in claim.steps]
        here = "; ".join(
            f"{known.worse:.1f} → {known.better:.1f} ({known.says})" if known else "—" for known in steps
        )
        sure = "; ".join(f"{known.pairs}, {known.p:.3f}" if known else "—" for known in steps)
        table.append([place(claim.paper, claim.table), claim.says, printed(claim), here, sure, verdict(steps)])
    for cost in (cost for cost in COSTS if cost.paper in {claim.paper for claim in claims}):
        ratio = times.get(cost.cell)
        near = "not yet run" if ratio is None else "holds" if abs(ratio / cost.ratio - 1) <= NEAR else "does not hold"
        here = "—" if ratio is None else f"× {ratio:.2f}"
        table.append([place(cost.paper, cost.table), cost.says, f"× {cost.ratio}", here, "", near])
    count = {name: sum(line[-1] == name for line in table[2:]) for name in VERDICTS}
    lines = "\n".join("| " + " | ".join(line) + " |" for line in table)
    return TEXT.format(
        done=done,
        lost=lost,
        planned=planned,
        tasks=", ".join(tasks) or "none",
        seeds=", ".join(map(str, seeds)) or "none",
        commits=", ".join(made) or "none",
        count=", ".join(f"{number} {name}" for name, number in count.items()),
        lines=lines,
    )


TEXT = """# The papers' claims on the embedded digits

{done} of {planned} runs are done, {lost} diverged and are in no pair; tasks {tasks}; seeds {seeds}; commit {commits}.
Of the claims {count}.

A step `a → b` is mean target accuracy at the end of training over the pairs (task, seed) that both have (n), with the
gain and, of several seeds, its deviation over them, and the p of the paired sign-flip test. A claim holds where every
step gains with p < 0.05, does not hold where one loses with such a p, and is unclear else. The papers' numbers are
averages over Office-31 or Office-Home with pretrained networks, and MNIST → MNIST-M. Of rounds, it is the accuracy of
the averaged predictions on the target's training images after three rounds. A cost holds within 15 %. The p are of
each step alone: of thirty claims that are all empty, one or two would pass.

{lines}

    make claims

runs what is missing, first seeds first, and writes this file anew after every run; a single claim is

    python run/benchmark.py --config=configs/digits.py --methods=dannp,dannp+toalign --tasks=untuned --seeds=3
"""
