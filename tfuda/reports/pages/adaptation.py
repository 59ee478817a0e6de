"""Write the part of a page that says what `tfuda adapt` chose, and how good that probably is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfuda.reports.pages.html import element, escape, paragraph, table

HEADS = ("candidate", "score", "estimated accuracy", "from", "to")


def part(result: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return (anchor, title, HTML) for page.page, from the contents of adapt's result.json."""
    best, criterion = result["estimates"][result["chosen"]], result["criterion"]
    said = (
        f"{result['chosen']} was chosen without target labels. About {percent(best['value'])} of the target are "
        f"probably right, and with 90 % confidence between {percent(best['low'])} and {percent(best['high'])}."
    )
    if "measured" in result:
        said += f" Measured on labelled target pictures: {percent(result['measured'])}."
    rows = [
        (
            element("strong", escape(name)) if name == result["chosen"] else escape(name),
            escape(f"{result['scores'][name]:.3f}"),
            *(escape(percent(one[key])) for key in ("value", "low", "high")),
        )
        for name, one in result["estimates"].items()
    ]
    about = (
        f"Candidates; the score is {criterion}, higher is better, and source_only stays unless another is better "
        f"by {result['margin']:g}."
    )
    notes = element("ul", "".join(element("li", escape(line)) for line in result["warnings"]))
    return (
        "adaptation",
        "What was chosen",
        paragraph(said) + notes * bool(result["warnings"]) + table(about, HEADS, rows),
    )


def percent(share: float) -> str:
    """Return a share as whole percent."""
    return f"{100 * share:.0f} %"
