"""All pairs: the short list of tests in which every two values that go together meet at least once.

Every test that holds for the whole grid is a property. `make test` has one case for each method, in which all
properties are shown of a few runs, with seams and settings chosen so that as many pairs of those meet as can
(tests/core/test_every_method.py). `make test-slow` has each property for a cover of pairs: every method with every
weigher and combiner, every setting with every seam, and target labels for every method in every setting. Regularisers
act on every method alike, so these two need not meet. All names are found in the library, and so is
what goes together: extension_points.fits, a combiner's `fits`, a method's `refuses`.
"""

import functools
import heapq
import itertools
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pytest
import tiny

from tfuda import names
from tfuda.core import extension_points
from tfuda.core.method import Method

PROPERTIES = ("labels", "resume", "replicas")  # the cheapest first: it fills up rows
SETTINGS = {
    "single": {},
    "several": {"task": "H+M-S"},
    "shots": {"shots": 1},
    "partial": {"target_classes": 5},  # and PADA's weights, where the method takes them
}


resolve = functools.cache(names.resolve)  # thousands of times the same


class Case(NamedTuple):
    """One test of the grid; a seam may be ""."""

    method: str
    weigher: str
    combiner: str
    regulariser: str
    setting: str
    property: str

    @property
    def cell(self) -> str:
        return "+".join(filter(None, self[:4]))

    def config(self, **changes):
        """A small network on the digits, in the case's setting."""
        made = tiny.config(self.cell, **SETTINGS[self.setting], **changes)
        if self.setting == "partial" and "pada" not in self.kind.refuses:
            made.options.pada = True
        return made

    @property
    def kind(self) -> type[Method]:
        return resolve(self.method, "methods")


def legal(case: Case) -> bool:
    """Does the library take it?"""
    if case.weigher and not extension_points.fits(case.kind, resolve(case.weigher, "weighers")):
        return False
    if case.combiner and not resolve(case.combiner, "combiners").fits(case.kind):
        return False
    return case.setting not in case.kind.refuses


def pairs(row: Iterable) -> set[tuple]:
    """Every two values of a row, with their places."""
    return {*itertools.combinations(enumerate(row), 2)}


def cover(rows: list, pairs_of: Callable = pairs) -> list:
    """Rows that hold every pair of all rows, chosen one after the other by how many new ones each brings."""
    gains, chosen = [pairs_of(row) for row in rows], []
    left = set().union(*gains)
    heap = [(-len(gain), i) for i, gain in enumerate(gains)]  # how many at most: fewer are new with every choice
    heapq.heapify(heap)
    while left:
        _, i = heapq.heappop(heap)
        found = -len(gains[i] & left), i
        if heap and found > heap[0]:
            heapq.heappush(heap, found)
        else:
            chosen.append(rows[i])
            left -= gains[i]
    return chosen


@functools.cache
def product() -> list[Case]:
    """Every legal case."""
    seams_ = [["", *names.modules(f"{seam}s")] for seam in names.SEAMS]
    every = itertools.product(names.modules("methods"), *seams_, SETTINGS, PROPERTIES)
    return [case for case in itertools.starmap(Case, every) if legal(case)]


def without(*columns: tuple[int, int]) -> Callable:
    """`pairs`, but for those of two columns each."""
    return lambda row: {pair for pair in pairs(row) if (pair[0][0], pair[1][0]) not in columns}


LEFT_OUT = {"labels": [(0, 3)], "resume": [(0, 3), (0, 4)], "replicas": [(0, 3), (0, 4)]}


@functools.cache
def cases(wanted: str) -> list:
    """Parameters of a slow test of one property: a cover of all pairs but those of LEFT_OUT."""
    rows = cover([case for case in product() if case.property == wanted], without(*LEFT_OUT[wanted]))
    return [pytest.param(case, id=f"{case.cell} {case.setting}") for case in rows]


@functools.cache
def covering() -> tuple[Case, ...]:
    return tuple(cover(product()))


@functools.cache
def quick() -> tuple[Case, ...]:
    """One case for each method: the one that brings the most pairs of seams and settings that no case had before.

    A combiner doubles the work of a step, so it is in one case alone.
    """
    chosen, met, used = [], set(), set()
    for method in names.modules("methods"):
        rows = [case for case in product() if case.method == method and case.property == PROPERTIES[0]]
        rows = [case for case in rows if case.combiner not in used]
        best = max(rows, key=lambda row: len({*pairs(row[1:-1])} - met))
        met |= {*pairs(best[1:-1])}
        used |= {best.combiner} - {""}
        chosen.append(best)
    return tuple(chosen)


def seams() -> list[tuple]:
    """Every legal (method, weigher, combiner, regulariser)."""
    return [*dict.fromkeys(case[:4] for case in product())]


@functools.cache
def cells() -> list[str]:
    """METHOD+WEIGHER+COMBINER+REGULARISER for a cover of all pairs but those of a method and a regulariser."""
    return ["+".join(filter(None, row)) for row in cover(seams(), without((0, 3)))]
