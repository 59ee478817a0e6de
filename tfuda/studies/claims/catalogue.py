"""List the claims, one a line: which cell has to be better than which, and where a paper prints it."""

from __future__ import annotations

import itertools
from typing import NamedTuple

ROUNDS = 3

# Rounds of BIWAA by name: the loader, and what is switched off
VARIANTS: dict[str, tuple[str, dict[str, float]]] = {
    "biwaa-i": ("predicted", {}),
    "biwaa-i, random loader": ("random", {}),
    "biwaa-i, oracle's loader": ("oracle", {}),
    "biwaa-i without A_r": ("predicted", {"beliefs.rate": 1.0}),
    "biwaa-i without A_i": ("predicted", {"rounds.rate": 1.0}),
    "biwaa-i without B": ("predicted", {"beliefs.fade": 0}),
}
FIRST = "biwaa-i, first round"


class Claim(NamedTuple):
    """A claim. steps: (worse, better) by cell or variant; table: where it is printed; printed: if in no table."""

    paper: str
    table: str
    says: str
    steps: tuple[tuple[str, str], ...]
    data: str = "office_home"
    printed: str = ""


def chain(*cells: str) -> tuple[tuple[str, str], ...]:
    """Return steps in which each cell is better than the one before."""
    return tuple(itertools.pairwise(cells))


LEVELS = [
    f"gsda[levels={levels};synchronised=False]" for levels in ("domain", "domain+classes", "domain+classes+groups")
]
PAIRED = "daaa[parts=source+source_as_target"
NO_TRANSFER = f"{PAIRED};trade_offs.attention=0]"
LOADERS = ("biwaa-i, random loader", "biwaa-i", "biwaa-i, oracle's loader")
BETTER = ("dannp+metaalign", "dannp+toalign")
BOTH = (("tada[scope=local]", "tada"), ("tada[scope=global]", "tada"))

CLAIMS = (
    Claim("toalign", "1", "ToAlign improves DANNP", chain("dannp", "dannp+toalign")),
    Claim("toalign", "1", "ToAlign improves HDA", chain("hda", "hda+toalign")),
    Claim("toalign", "1", "DANNP, GVB and HDA in this order", chain("dannp", "gvb", "hda")),
    Claim("toalign", "3", "s = 1 is worse than none", chain("dannp+toalign[scale=1]", "dannp")),
    Claim("toalign", "3", "the adaptive s is better than s = 1", chain("dannp+toalign[scale=1]", "dannp+toalign")),
    Claim("toalign", "3", "s = 16 is better than none, too", chain("dannp", "dannp+toalign[scale=16]")),
    Claim("toalign", "Figure 3", "TiAlign harms", chain("dannp+toalign[sign=-1]", "dannp"), printed="a curve"),
    Claim("toalign", "1", "MetaAlign improves GVB", chain("gvb", "gvb+metaalign")),
    Claim("toalign", "4", "MetaAlign improves DANNP, ToAlign more", chain("dannp", *BETTER)),
    Claim("biwaa", "4", "weighting improves DANN", chain("dann", "dann+biwaa")),
    Claim("biwaa", "4", "weighting improves AFN", chain("afn", "afn+biwaa")),
    Claim("biwaa", "2", "BIWAA improves MSTN", chain("mstn", "mstn+biwaa")),
    Claim("biwaa", "Figure 4", "λ = 10 beats λ = 3", chain("dann+biwaa[factor=3]", "dann+biwaa"), printed="a curve"),
    Claim("biwaa", "2", "rounds improve BIWAA (BIWAA-I)", chain(FIRST, "biwaa-i"), printed="70.0 → 71.5"),
    Claim("biwaa", "Figure 5", "loaders: random, predicted, oracle in this order", chain(*LOADERS), printed="curves"),
    Claim("biwaa", "5", "A_r helps", chain("biwaa-i without A_r", "biwaa-i"), printed="90.38 → 90.54"),
    Claim("biwaa", "5", "A_i helps", chain("biwaa-i without A_i", "biwaa-i"), printed="90.49 → 90.54"),
    Claim("biwaa", "5", "B helps", chain("biwaa-i without B", "biwaa-i"), printed="90.30 → 90.54"),
    Claim("gsda", "1", "each level, and the synchronisation, improves", chain(*LEVELS, "gsda"), "office31"),
    Claim("gsda", "3", "GSDA improves DANN", chain("dann", "gsda")),
    Claim("tada", "2", "local and global attention together beat each alone", BOTH),
    Claim("tada", "2", "global attention beats local", chain("tada[scope=local]", "tada[scope=global]")),
    Claim("tada", "2", "TADA improves DANN", chain("dann", "tada")),
    Claim("daaa", "1", "translated pictures beside the source help", chain("source_only", NO_TRANSFER), "mnist"),
    Claim("daaa", "1", "attention transfer improves these", chain(NO_TRANSFER, f"{PAIRED}]"), "mnist"),
    Claim("daaa", "1", "EM improves these", chain(NO_TRANSFER, "daaa[trade_offs.attention=0]"), "mnist"),
    Claim("daaa", "1", "... and attention transfer, EM", chain("daaa[trade_offs.attention=0]", "daaa"), "mnist"),
    Claim("daaa", "3", "without EM-A it is worse", chain("daaa[lagging=False]", "daaa"), "office31"),
    Claim("daaa", "3", "without EM-B", chain("daaa[threshold=0]", "daaa"), printed="very low → 80.9"),
    Claim("daaa", "3", "without EM-C", chain("daaa[restart=False]", "daaa"), "office31"),
)


class Cost(NamedTuple):
    """A claim on time: a step of one cell takes so many times the time of another cell's."""

    paper: str
    table: str
    says: str
    base: str
    cell: str
    ratio: float


COSTS = (
    Cost("toalign", "4", "MetaAlign nearly doubles the time of a step of DANNP", "dannp", "dannp+metaalign", 1.82),
    Cost("toalign", "4", "ToAlign adds hardly any", "dannp", "dannp+toalign", 1.07),
)
