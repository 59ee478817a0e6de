"""Check the data sets that the library draws, which are arrays, for what a folder is checked for too."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence

import numpy as np

from tfuda.data.audit import verify
from tfuda.data.audit.scan import Part
from tfuda.data.files import Files, same
from tfuda.data.tasks import Domain

NAMES = ("digits", "emoji")  # modules of tfuda.data.readers


def report(data: str, domains: Sequence[str] = ()) -> verify.Report:
    """Count the pictures of a drawn data set, and find the same picture in several domains or classes.

    Args:
        data: one of NAMES.
        domains: names of its domains; () for all.
    """
    reader = importlib.import_module(f"tfuda.data.readers.{data}")
    parts: list[Part] = []
    pictures: dict[str, np.ndarray] = {}
    for name in domains or reader.DOMAINS:
        splits = {split: reader.load_domain(name, split) for split in reader.SPLITS}
        if same(splits["train"].images, splits["test"].images):
            splits = {"": splits["train"]}
        for split, domain in splits.items():
            made = part(split, domain)
            parts.append(made)
            pictures |= zip(made.files, domain.images, strict=True)

    def look(files: Files) -> tuple[list, np.ndarray, np.ndarray]:
        images = [pictures[name] for name in files]
        digests = [hashlib.sha256(image.tobytes()).digest()[:16] for image in images]
        return [], np.array(digests, "S16"), np.array([image.shape[1::-1] for image in images], np.int32)

    return verify.verify(parts, [], look)


def part(split: str, domain: Domain) -> Part:
    """Name each picture of a domain as a file would be: DOMAIN/CLASS/ROW, or DOMAIN_SPLIT/CLASS/ROW."""
    place = f"{domain.name}_{split}" if split else domain.name
    labels = domain.known_labels
    names = [f"{place}/{domain.classes[k]}/{row}" for row, k in enumerate(labels)]
    return Part(domain.name, place, Files(names), labels, domain.classes, split=split)
