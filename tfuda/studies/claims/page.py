"""Write the page of claims, docs/claims.md."""

from __future__ import annotations

import pathlib
import statistics
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from tfuda.studies import benchmark, published_numbers, significance
from tfuda.studies.claims import measurements, verdicts
from tfuda.studies.claims.catalogue import COSTS, SETTINGS, STEADY, Claim, Steadiness
from tfuda.studies.claims.measurements import Values, deviations
from tfuda.studies.claims.verdicts import FEWEST, MOST, SURE, VERDICTS, Step, printed_numbers

NEAR = 0.15  # relative tolerance of a ratio of times to the printed one


def place(paper: str, table: str) -> str:
    """Format a table's place: ToAlign Table 1."""
    return f"{published_numbers.TITLES[paper]} {f'Table {table}' if table.isdigit() else table}"


def printed(claim: Claim) -> str:
    """Return the paper's averages, worst first."""
    return claim.printed or " → ".join(printed_numbers(claim).values())


def claim_line(claim: Claim, steps: Sequence[Step | None], holm: float | None, notes: Sequence[str]) -> list[str]:
    """Return a claim's line of the table; `notes` are those of the page."""
    here = "; ".join(
        f"{known.worse:.1f} → {known.better:.1f} ({known.gain:+.1f} ± {known.error:.1f})" if known else "—"
        for known in steps
    )
    sure = "; ".join(f"{known.tasks} × {known.seeds}, {known.p:.3f}" if known else "—" for known in steps)
    said = verdicts.verdict(steps)
    if said == "too small to tell here":
        needed = max(known.needed for known in steps if known)
        said += f": needs n = {needed}" if needed < MOST else f": needs n > {MOST}"
    setting = "" if claim.setting == "single" else f" ({SETTINGS[claim.setting].title})"
    note = f" (note {notes.index(claim.note) + 1})" if claim.note else ""
    return [
        place(claim.paper, claim.table),
        claim.says + setting + note,
        printed(claim),
        here,
        sure,
        "" if holm is None else f"{holm:.3f}",
        said,
    ]


def steady_line(one: Steadiness, found: Values) -> list[str]:
    """Return the line of a claim on the spread over seeds, which is never found: see Steadiness."""
    low, high = deviations(found, one.base), deviations(found, one.row)
    tasks = [task for task in low if task in high]
    head = [place(one.paper, one.table), one.says, one.printed]
    if not tasks:
        return [*head, "—", "—", "", "not yet run"]
    gains = [high[task] - low[task] for task in tasks]
    p = significance.sign_flip(gains)
    a, b = (statistics.fmean(each[task] for task in tasks) for each in (low, high))
    said = "does not hold" if p < SURE and b > a else "not contradicted"
    if len(tasks) < FEWEST:
        said = f"too small to tell here: needs n = {FEWEST}"
    return [*head, f"deviation {a:.2f} → {b:.2f}", f"{len(tasks)}, {p:.3f}", "", said]


def of_jobs(
    claims: Sequence[Claim], made: Mapping[str, benchmark.Job], folder: pathlib.Path, known: pathlib.Path | None
) -> str:
    """Return the page that the runs of some grids make as far as they have ended.

    Args:
        claims: all claims.
        made: {setting: its grid}, by measurements.jobs.
        folder: the folder of all runs.
        known: the folder of kept results, or None.
    """
    rows = {name: measurements.ended(job, measurements.sources(known, name)) for name, job in made.items()}
    every = [row for some in rows.values() for row in some]
    found = {name: measurements.values(some) for name, some in rows.items()}
    times = measurements.timed(folder) or (measurements.timed(known) if known else {})
    counts = len(every), sum(len(job.runs) for job in made.values())
    return markdown(claims, found, times, counts, {row["commit"][:10] for row in every} - {""})


def markdown(
    claims: Sequence[Claim],
    values: Mapping[str, Values],
    times: Mapping[str, float],
    counts: tuple[int, int],
    made: Iterable[str],
) -> str:
    """Return the page of claims.

    Args:
        claims: all claims.
        values: {setting: the measured accuracies}.
        times: {cell: ratio} of COSTS.
        counts: numbers of finished and planned runs.
        made: commits of the code that ran them.
    """
    papers = {claim.paper for claim in claims}
    table = [["paper", "claim", "paper's number", "here", "n × seeds, p", "p, Holm", "verdict"], ["---"] * 7]
    found = verdicts.judged(claims, values)
    holm = verdicts.corrected(found)
    notes = list(dict.fromkeys(claim.note for claim in claims if claim.note))
    table += [claim_line(claim, steps, holm.get(claim), notes) for claim, steps in found.items()]
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
        fewest=FEWEST,
        least=f"{significance.smallest(9):.3f}",
        ran=len(holm),
        bound=f"{min(1.0, significance.smallest(9) * max(len(holm), 1)):.3f}",
        lines="\n".join("| " + " | ".join(line) + " |" for line in table),
        notes="".join(
            textwrap.fill(f"Note {number}: {note}", 118, break_on_hyphens=False) + "\n\n"
            for number, note in enumerate(notes, 1)
        ),
    )


TEXT = """# The papers' claims on the emoji

{done} of {planned} runs are done; seeds {seeds}; commit {commits}.
Of the claims: {count}.

A step `a → b` is mean target accuracy at the end of training over the tasks (n) that have both, with the gain, its
standard error over tasks, and the p of the paired sign-flip test over tasks. Seeds of a task are averaged first; a
step takes the seeds that both rows have, so a row may have other averages elsewhere. The rows of a step differ in
nothing but what the claim is about; where it is about two methods, each method has its own options.

A claim holds where every step gains with p < 0.05. One step that loses is enough against a claim: a claim of k steps
does not hold where a step loses with k p < 0.05. Another claim is "too small to tell here" where so many tasks would
show the printed gap, with p < 0.05, in fewer than four of five such experiments. The n that such a claim needs would
show the gap in four of five, by the spread over tasks and not by the gain that was found. This n is at least
{fewest}, as fewer tasks have no p < 0.05. All other claims are unclear.

The claims on the spread over seeds say that ToAlign adds little, and the printed spread rises too. No test can find
such a claim: it does not hold where the spread rises with p < 0.05, and is "not contradicted" else. A cost holds
within 15 %.

Holm's correction takes one p of each claim that was run. Where the claim does not hold, that is k p of the step that
loses, else the largest p of the steps, as all of them have to gain. Nine tasks give no p below {least}, and none
below {bound} after the correction for {ran} claims. Verdicts read p before the correction: expect one of forty empty
claims to hold by chance.

The papers' numbers are averages over Office-31, Office-Home or DomainNet, and MNIST → MNIST-M. Rounds are judged by
the network of the third round.

{lines}

{notes}    make claims

runs what is missing, first seeds first, and writes this page anew; a single claim is

    python run/benchmark.py --config=configs/emoji.py --methods=dannp,dannp+toalign --tasks=untuned --seeds=3
"""
