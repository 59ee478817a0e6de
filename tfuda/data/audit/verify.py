"""Find everything that is wrong with a data folder before training; run/verify.py prints the report."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tfuda.data.audit.inspect_file import KINDS, Finding, survey
from tfuda.data.audit.scan import Part
from tfuda.data.files import Files

Look = Callable[[Files], tuple[list[Finding], np.ndarray, np.ndarray]]
NAMED = 10  # files of each kind that the report names, unless --all is given
# Findings that explain a wrong count of a class
EXPLAIN = ("unreadable_folder", "loop", "empty_class", "unknown_class")


@dataclasses.dataclass
class Report:
    """Hold the findings in some parts.

    Attributes:
        sizes: median (width, height) of each part's pictures, (0, 0) if none can be read.
        repeats: {domain: number of pictures that occur already in the same class}.
    """

    parts: list[Part]
    findings: list[Finding]
    sizes: list[tuple[int, int]]
    repeats: dict[str, int]

    def bad(self) -> bool:
        """Return True if there is an error or a warning."""
        return any(one.severity != "note" for one in self.findings)


def verify(parts: list[Part], found: list[Finding], look: Look = survey) -> Report:
    """Inspect each file once, and report.

    Args:
        parts: the parts to check.
        found: findings made while the parts were read.
        look: inspects N files, and returns what `survey` returns.
    """
    width = max([part.files.paths.dtype.itemsize for part in parts])
    every = np.concatenate([part.files.paths.astype(f"S{width}") for part in parts])  # [N]
    paths, rows = np.unique(every, return_inverse=True)  # [U], [N]
    files, where = Files(paths), np.split(rows, np.cumsum([len(part.files) for part in parts])[:-1])
    seen, digests, sizes = look(files)
    doubles, repeats = duplicates(parts, where, files, digests)
    findings = {*found, *counted(parts, found), *at_lines(parts, seen), *doubles}
    kinds = list(KINDS)
    ordered = sorted(findings, key=lambda one: (kinds.index(one.kind), one.file, one.detail))
    return Report(parts, ordered, [_median(sizes[own]) for own in where], repeats)


def _median(sizes: np.ndarray) -> tuple[int, int]:
    """Return the median (width, height) of int [n, 2], without unknown sizes."""
    known = sizes[sizes.all(1)]
    width, height = np.median(known, 0) if len(known) else (0, 0)
    return int(width), int(height)


def counted(parts: Sequence[Part], found: list[Finding]) -> Iterator[Finding]:
    """Yield differences from the catalogue's counts (by class where known) that no other finding explains."""
    explained = [one.file + os.sep for one in found if one.kind in EXPLAIN]
    for part in parts:
        total, by_class = part.expected
        for name, have, want in zip(part.classes, part.counts(), by_class, strict=False):
            place = os.path.join(part.place, name)
            if have == want or any(file.startswith(place + os.sep) for file in explained):
                continue
            if os.path.isdir(part.place):
                yield Finding("count", place, f"{have} pictures, not {want}")
            else:
                yield Finding("count", part.place, f"class {name}: {have} pictures, not {want}")
        if total and not by_class and len(part.files) not in (total, *part.versions.values()):
            known = " or ".join(f"{count} ({name})" for name, count in part.versions.items())
            yield Finding("count", part.place, f"{len(part.files)} pictures, not {known or total}")
    if len(named := {version(part) for part in parts} - {""}) > 1:
        yield Finding("versions", parts[0].place, f"lists of the {' and the '.join(sorted(named))} data set")


def version(part: Part) -> str:
    """Return the name of the version of the data set that a part is of, "" where there are not several."""
    return next((name for name, count in part.versions.items() if count == len(part.files)), "")


def at_lines(parts: Iterable[Part], seen: list[Finding]) -> Iterator[Finding]:
    """Yield the findings, with the list's line added where an error concerns a listed file."""
    lines = {one.file: "" for one in seen if one.severity == "error"}
    for part in parts:
        for path, line in zip(part.files, part.lines, strict=False):
            if lines.get(path) == "":
                lines[path] = f"{part.place}:{line}"
    for one in seen:
        yield one._replace(detail=", ".join(filter(None, (one.detail, lines.get(one.file)))))


# ---- duplicates


class Copy(NamedTuple):
    """Hold a file of a domain, and its class in that domain."""

    file: str
    domain: str
    label: str


def duplicates(
    parts: list[Part], where: list[np.ndarray], files: Files, digests: np.ndarray
) -> tuple[list[Finding], dict[str, int]]:
    """Find identical files in several domains, or in several classes of a domain.

    Args:
        parts: the parts.
        where: for each part int [n], which of the U files its pictures are.
        files: the U files.
        digests: S16 [U], empty for unusable files.

    Returns:
        The findings, and {domain: number of further copies within a class}.
    """
    origin = np.repeat(np.arange(len(parts)), [len(own) for own in where])
    rows = np.stack([np.concatenate(where), origin, np.concatenate([part.labels for part in parts])], 1)  # [N, 3]
    rows = rows[digests[rows[:, 0]] != b""]
    _, group, size = np.unique(digests[rows[:, 0]], return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    order = order[size[group[order]] > 1]
    findings: list[Finding] = []
    repeats: collections.Counter[str] = collections.Counter()
    blocks = np.split(rows[order], np.flatnonzero(np.diff(group[order])) + 1)
    for block in blocks if len(order) else ():
        names = [os.fsdecode(files.paths[row]) for row in block[:, 0]]
        copies = sorted(
            {Copy(name, parts[i].domain, _class(parts[i], k)) for name, (_, i, k) in zip(names, block, strict=True)}
        )
        alike = [list(own) for _, own in itertools.groupby(copies, lambda copy: copy.domain)]
        findings += [
            Finding("duplicate", copy.file, f"as {other.file} of {other.domain}")
            for copy, other in _apart(copies, lambda copy: copy.domain)
        ]
        findings += [
            Finding("contradiction", copy.file, f"in {copy.label}; as {other.file} in {other.label}")
            for own in alike
            for copy, other in _apart([copy for copy in own if copy.label], lambda copy: copy.label)
        ]
        for own in alike:
            repeats[own[0].domain] += len(own) - len({copy.label for copy in own})
    return findings, {domain: count for domain, count in repeats.items() if count}


def _class(part: Part, label: int) -> str:
    return part.classes[label] if label >= 0 else ""


def _apart(copies: list[Copy], key: Callable[[Copy], str]) -> Iterator[tuple[Copy, Copy]]:
    """Yield each copy with a copy of another key, if there are two keys."""
    if other := next((copy for copy in copies if key(copy) != key(copies[0])), None):
        for copy in copies:
            yield copy, other if key(copy) == key(copies[0]) else copies[0]


# ---- reports for people and for programs


def shown(path: str) -> str:
    """Escape a path that cannot be printed on one line."""
    return path if path.isprintable() else path.encode("unicode_escape").decode()


def rows(report: Report) -> list[dict]:
    """Return the table of parts, ready for JSON."""
    table = []
    for part, size in zip(report.parts, report.sizes, strict=True):
        total, by_class = part.versions.get(version(part), part.expected[0]), part.expected[1]
        counts = dict(zip(part.classes, part.counts().tolist(), strict=True))
        table.append(
            {
                "domain": part.name,
                "place": part.place,
                "pictures": len(part.files),
                "expected": total or None,
                "difference": len(part.files) - total if total else None,
                "classes": counts,
                "expected_classes": dict(zip(part.classes, by_class, strict=True)) if by_class else None,
                "version": version(part) or None,
                "median_size": list(size),
                "repeats": report.repeats.get(part.domain, 0),
            }
        )
    return table


def as_json(report: Report) -> dict:
    """Return the whole report, ready for JSON."""
    findings = [{"severity": one.severity, **one._asdict()} for one in report.findings]
    return {
        "domains": rows(report),
        "findings": findings,
        "kinds": {one.kind: KINDS[one.kind][1] for one in report.findings},
    }


def text(report: Report, everything: bool = False) -> str:
    """Format the table, then the findings by kind: the first NAMED files of each kind, or all with `everything`."""
    lines = [*_table(rows(report)), ""]
    for name in dict.fromkeys(filter(None, map(version, report.parts))):
        of = ", ".join(part.name for part in report.parts if version(part) == name)
        lines.append(f"{name} version of the data set: {of}")
    lines += [
        f"{domain}: {count} {'picture is' if count == 1 else 'pictures are'} there already in the same class"
        for domain, count in report.repeats.items()
    ]
    for kind, group in itertools.groupby(report.findings, lambda one: one.kind):
        found = list(group)
        severity, meaning = KINDS[kind]
        lines.append(f"{severity}: {kind}, {len(found)}: {meaning}")
        for one in found if everything else found[:NAMED]:
            lines.append(f"    {shown(one.file)}" + f" ({shown(one.detail)})" * bool(one.detail))
        if len(found) > NAMED and not everything:
            lines.append(f"    and {len(found) - NAMED} more: --all")
    tally = collections.Counter(one.severity for one in report.findings)
    told = [f"{tally[word]} {word}{'s' * (tally[word] > 1)}" for word in ("error", "warning", "note") if tally[word]]
    pictures = sum(len(part.files) for part in report.parts)
    return "\n".join([*lines, f"{', '.join(told) or 'nothing wrong'} in {pictures} pictures"])


def _table(table: list[dict]) -> list[str]:
    head = ("domain", "pictures", "expected", "difference", "classes", "smallest", "largest", "median size")
    lines = [head]
    for row in table:
        there = sorted((count, name) for name, count in row["classes"].items() if count)
        ends = [f"{name} {count}" for count, name in (there[:1] + there[-1:])] or ["-", "-"]
        known = ["-", "-"] if row["expected"] is None else [str(row["expected"]), f"{row['difference']:+d}"]
        size = " x ".join(map(str, row["median_size"])) if all(row["median_size"]) else "-"
        classes = f"{len(there)} of {len(row['classes'])}" if row["classes"] else "-"
        lines.append((row["domain"], str(row["pictures"]), *known, classes, *ends, size))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


# ---- lists of the usable pictures


def write_lists(report: Report, file: str, root: str) -> list[dict]:
    """Write one list of `path label` for each part, with every picture that has no error.

    Args:
        report: the report on the pictures.
        file: name of the list; with several parts, the part's name is added.
        root: folder that the paths are relative to.

    Returns:
        For each list the path, the number of pictures, and how to train on the list.
    """
    bad = {one.file for one in report.findings if one.severity == "error"}
    told = []
    for part in report.parts:
        out = pathlib.Path(file)
        if len(report.parts) > 1:
            out = out.with_name(f"{out.stem}_{part.name}{out.suffix}")
        lines = []
        for path, label in zip(part.files, part.labels, strict=True):
            name = os.path.relpath(path, root).replace(os.sep, "/")
            if path not in bad and _can_be_listed(name):
                lines.append(f"{name} {max(label, 0)}\n")
        out.write_text("".join(lines), "utf-8")
        told.append({"list": str(out), "pictures": len(lines), "of": len(part.files), "use": _use(part, out, root)})
    return told


def _can_be_listed(name: str) -> bool:
    """Return True if a reader of lists would find this name again: no line breaks, no bytes outside UTF-8."""
    try:
        return name.encode() != b"" and name.splitlines() == [name] and name == name.strip()
    except UnicodeEncodeError:
        return False


def _use(part: Part, out: pathlib.Path, root: str) -> str:
    """Say how to train on a list."""
    if part.lists:
        return f"copy it to {os.path.join(root, part.lists[0])}, where training looks first"
    classes = "" if part.classes else "; no label is known, all are written as 0"
    if part.classes and os.path.isdir(part.place):
        classes = f"; the names of the class folders, sorted, one a line, go into {out.with_name('classes.txt')}"
    unfit = " (rename it: the name of a task is split at - and +)" if {"-", "+"} & set(out.stem) else ""
    return f"--config.data=lists --config.root={root} --config.lists={out.parent}, domain {out.stem}{unfit}{classes}"
