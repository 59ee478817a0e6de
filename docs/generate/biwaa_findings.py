"""Write what the parts of BIWAA cost MSTN on emoji into docs/emoji-findings.md.

python docs/generate/biwaa_findings.py
"""

from __future__ import annotations

import shlex

import emoji_findings as findings

from tfuda.studies import significance

START = "<!-- BIWAA's table: written by docs/generate/biwaa_findings.py -->"
END = "<!-- end of BIWAA's table -->"
BASE = "mstn"
PARTS = {  # title: folder below docs/results/emoji, flags
    "the weights alone": (
        "biwaa_weights",
        "--config.samplers.source=uniform --config.beliefs.rate=1.0",
    ),
    "all but the weights": (
        "biwaa_rest",
        "--config.samplers.source=balanced --config.beliefs.rate=0.9",
    ),
}


def accuracies(folder: str) -> findings.Values:
    """Return the accuracies of a folder of results, and those of MSTN and BIWAA."""
    whole = findings.accuracies(findings.rows())
    own = findings.accuracies(findings.rows(folder)) if (findings.RESULTS / folder / "results.csv").is_file() else {}
    return {cell: whole[cell] for cell in (BASE, "mstn+biwaa")} | own


def line(title: str, values: findings.Values, cell: str) -> str:
    """Return a line of the table: a cell against MSTN, by differences of the same task and seed."""
    gains = findings.differences(values, cell, BASE)
    gain, error = findings.mean_and_error(gains)
    p, seeds = significance.sign_flip(gains), findings.counted(values[cell])
    return f"| {title} | {seeds} | {gain:+.1f} ± {error:.1f} | {p:.3f} | {min(gains):+.1f} | {max(gains):+.1f} |"


def table() -> list[str]:
    """Return how the numbers were made, and the table."""
    commands, lines = [], []
    for title, (folder, flags) in PARTS.items():
        values = accuracies(folder)
        cell = next(name for name in values if name not in (BASE, "mstn+biwaa"))
        commits = sorted({row["commit"][:10] for row in findings.rows(folder)})
        commands.append(
            f"    python run/benchmark.py --config=configs/emoji.py --tasks=untuned {flags} "
            f"--seeds={findings.counted(values[cell])} --methods={shlex.quote(cell)}  # at {', '.join(commits)}"
        )
        lines.append(line(title, values, cell))
    head = ["| added to MSTN | seeds | gain | p | worst task | best task |", "|---|" + "---:|" * 5]
    return [*commands, "", *head, *lines, line("both: `mstn+biwaa`", accuracies(""), "mstn+biwaa")]


def page(text: str) -> str:
    """Return docs/emoji-findings.md with BIWAA's table written anew."""
    before, _, rest = text.partition(START)
    return before + "\n".join([START, "", *table(), "", END]) + rest.partition(END)[2]


if __name__ == "__main__":
    findings.PAGE.write_text(page(findings.PAGE.read_text("utf-8")), "utf-8")
