"""Write what ToAlign gains on emoji, by bottleneck and ramp, into docs/emoji-findings.md, with its picture.

python docs/generate/toalign_findings.py
"""

from __future__ import annotations

import statistics

import emoji_findings as findings

from tfuda import figure_style
from tfuda.configs import emoji
from tfuda.studies import significance

START = "<!-- ToAlign's table: written by docs/generate/toalign_findings.py -->"
END = "<!-- end of ToAlign's table -->"
PICTURE = findings.DOCS / "images" / "emoji_toalign.png"
VARIANTS = {  # title: folder below docs/results/emoji, base
    "DANNP": ("", "dannp"),
    "HDA": ("", "hda"),
    "DANNP, linear bottleneck": ("linear", "dannp"),
    "DANNP, reversal over 3000 steps": ("ramp", "dannp"),
}
FLAGS = {"linear": "--config.network.neck=linear", "ramp": "--config.options.ramp_steps=3000"}


def gains(folder: str, base: str) -> dict[str, tuple[float, float]]:
    """Return {task: (% of the base, gain by ToAlign)} of the untuned tasks; {} where they were not run."""
    found = findings.accuracies_in(folder)
    if not {base, f"{base}+toalign"} <= {*found}:
        return {}
    each = dict(zip(emoji.TASKS["untuned"], findings.differences(found, f"{base}+toalign", base), strict=True))
    seeds = {task: found[base][task].keys() & found[f"{base}+toalign"][task].keys() for task in each}
    return {task: (statistics.fmean(found[base][task][seed] for seed in seeds[task]), each[task]) for task in each}


def caption() -> list[str]:
    """Return what the numbers are: n, seeds, commits and commands of the variants that have results of their own."""
    lines = [
        "n = 9 untuned tasks. Rows without a change are of the runs above. The others have fewer seeds. Less the row "
        "without a change at the same seed: " + "; ".join(beside()) + ".",
        "",
    ]
    for folder, flag in FLAGS.items():
        if found := findings.accuracies_in(folder):
            commits = sorted({row["commit"][:10] for row in findings.rows(folder)})
            seeds = min(findings.counted(own) for own in found.values())
            command = f"python run/benchmark.py --config=configs/emoji.py --tasks=untuned --seeds={seeds}"
            lines.append(f"    {command} --methods={','.join(found)} {flag}  # at {', '.join(commits)}")
    return lines


def beside() -> list[str]:
    """Return what the base of each variant is above, or below, the same base without a change, at the same seeds."""
    plain, lines = findings.accuracies_in(""), []
    for title, (folder, base) in VARIANTS.items():
        if folder and (found := findings.accuracies_in(folder)):
            each = findings.differences({"changed": found[base], "plain": plain[base]}, "changed", "plain")
            gain, error = findings.mean_and_error(each)
            lines.append(f"{title} {gain:+.1f} ± {error:.1f} (p {significance.sign_flip(each):.3f})")
    return lines


def table() -> list[str]:
    """Return the table: a line for each variant."""
    lines = ["| base | seeds | average | with ToAlign | gain | p | worst task |", "|---|" + "---:|" * 6]
    for title, place in VARIANTS.items():
        if not (found := gains(*place)):
            continue
        each = [gain for _, gain in found.values()]
        low = statistics.fmean(low for low, _ in found.values())
        high = low + statistics.fmean(each)
        gain, error = findings.mean_and_error(each)
        p = significance.sign_flip(each)
        own = findings.accuracies_in(place[0])
        seeds = min(findings.counted(own[cell]) for cell in (place[1], f"{place[1]}+toalign"))
        lines.append(
            f"| {title} | {seeds} | {low:.1f} | {high:.1f} | {gain:+.1f} ± {error:.1f} | {p:.3f} | {min(each):+.1f} |"
        )
    return lines


def draw() -> None:
    """Draw the gain of every task above source-only's accuracy there."""
    plain = findings.averages(findings.accuracies_in("")[findings.BASE])
    with figure_style.page(PICTURE, 5.6, 3.2) as figure:
        axes = figure.subplots()
        axes.axhline(0, color="#999999", linewidth=0.8)
        for (title, place), colour, mark in zip(VARIANTS.items(), figure_style.PALETTE, "osD^", strict=False):
            if found := gains(*place):
                x, y = [plain[task] for task in found], [gain for _, gain in found.values()]
                axes.plot(x, y, mark, color=colour, label=title, markersize=5)
        axes.set_xlabel("source-only's target accuracy, %")
        axes.set_ylabel("gain by ToAlign, points")
        axes.legend()


def page(text: str) -> str:
    """Return docs/emoji-findings.md with ToAlign's table written anew."""
    before, _, rest = text.partition(START)
    return before + "\n".join([START, "", *caption(), "", *table(), "", END]) + rest.partition(END)[2]


if __name__ == "__main__":
    findings.PAGE.write_text(page(findings.PAGE.read_text("utf-8")), "utf-8")
    draw()
