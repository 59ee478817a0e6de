"""Say in one paragraph what two folders hold and what is wrong with their pictures, before anything is trained."""

from __future__ import annotations

import itertools
import os

from tfuda.data.audit import own_folders, scan, verify
from tfuda.data.audit.inspect_file import Finding
from tfuda.evaluation.warning_signs import listed

NAMED = 3  # files of each kind that are named
WORDS = {  # of a finding's kind, for a reader who has two folders
    "duplicate": "the same file in source and target, which makes the estimate look better",
    "contradiction": "the same file in several classes",
    "empty_class": "class folder without a picture",
    "empty_file": "file of no bytes, left out",
    "truncated": "damaged file, left out",
    "unreadable": "damaged file, left out",
    "loose": "picture beside the class folders, left out",
    "not_a_picture": "no picture by its suffix, left out",
    "palette": "picture of a palette of at most 256 colours",
}


def briefing(source: str, target: str) -> str:
    """Return the paragraph, after every picture was read once.

    Args:
        source: folder of class folders.
        target: folder of pictures at any depth.
    """
    found: list[Finding] = []
    parts = own_folders.parts_of(source, target, "", "", found)
    if not any(len(part.files) for part in parts):
        return f"{source} and {target} hold no picture."
    report = verify.verify(parts, found)
    said = [held(part, size) for part, size in zip(parts, report.sizes, strict=True)]
    said += strange_classes(parts[0], target)
    bad = [one for one in report.findings if one.severity != "note"]
    for words, group in itertools.groupby(bad, lambda one: WORDS.get(one.kind, one.kind.replace("_", " "))):
        files = [verify.shown(one.file) for one in group]
        said.append(f"{len(files)} x {words}: {listed(files, NAMED)}.")
    return " ".join([*said, *([] if bad else ["Nothing is wrong with the files."])])


def held(part: scan.Part, size: tuple[int, int]) -> str:
    """Return a sentence on what a folder holds."""
    counts = part.counts()
    word = "class" if len(counts) == 1 else f"classes, {counts.min()} to {counts.max()} each" if len(counts) else ""
    classes = f" of {len(counts)} {word}" if word else ""
    shape = f", mostly {size[0]} x {size[1]}" if all(size) else ""
    return f"{part.place} holds {len(part.files)} pictures{classes}{shape}."


def strange_classes(source: scan.Part, target: str) -> list[str]:
    """Return a sentence if the target has folders named like classes, and others that are none."""
    folders = {entry.name for entry in os.scandir(target) if entry.is_dir()}
    other = sorted(folders - {*source.classes})
    if not other or not folders & {*source.classes}:
        return []
    return [
        f"Folders of the target are named like classes, but {listed(other)} are none of the source: "
        "their pictures get a class of the source all the same."
    ]
