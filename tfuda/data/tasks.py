"""Define domains, and the protocols that make a task from domains."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tfuda.data.files import Files, join, same


@dataclasses.dataclass(frozen=True)
class Domain:
    """Hold images of one kind, with labels where the method may know them.

    Attributes:
        images: uint8 [N, H, W, 3], or the paths of N pictures; a run that computes its frozen stages once trains on
            StoredViews in their place.
        labels: int32 [N], or None if the protocol hides them or they are unknown.
        origin: int32 [N], which of several sources an image comes from, or None.
        pairs: for each image a second one under the same crop, of the type of `images`; or None.
    """

    name: str
    classes: tuple[str, ...]
    images: np.ndarray | Files
    labels: np.ndarray | None = None
    origin: np.ndarray | None = None
    pairs: np.ndarray | Files | None = None

    def __len__(self) -> int:
        return len(self.images)

    def rows(self, keep: np.ndarray) -> Domain:
        """Return the domain restricted to rows `keep` (int [n])."""

        def cut(array):
            return None if array is None else array[keep]

        return Domain(self.name, self.classes, self.images[keep], cut(self.labels), cut(self.origin), cut(self.pairs))

    @property
    def origins(self) -> int:
        """Count the domains in this union."""
        return 1 if self.origin is None else int(self.origin.max()) + 1

    @property
    def known_labels(self) -> np.ndarray:
        """Return the labels, int32 [N]; raise ValueError if there are none."""
        if self.labels is None:
            raise ValueError(f"domain {self.name} has no labels")
        return self.labels

    def unlabelled(self) -> Domain:
        """Return the domain without labels."""
        return dataclasses.replace(self, labels=None)


class Task(NamedTuple):
    """Hold what a method may train on, and what evaluation measures.

    Attributes:
        streams: "source", "target" (never with labels), and "target_labelled" if the protocol gives shots.
        tests: "source" and "target", held-out images with labels where known; read by evaluation alone.
        trains: "source" and "target", training images with labels where known; read by evaluation alone.
    """

    name: str
    classes: tuple[str, ...]
    streams: dict[str, Domain]
    tests: dict[str, Domain]
    trains: dict[str, Domain]


def check_kept(domain: Domain, keep: np.ndarray) -> None:
    """Refuse a domain of N files, or a class of it, of which no row is in `keep` (int [n], the readable ones)."""
    if len(keep) == len(domain):
        return
    if domain.labels is None:
        lost = [] if len(keep) else [(f"domain {domain.name}", domain.images)]
    else:
        gone = np.setdiff1d(domain.labels, domain.labels[keep])
        lost = [(f"class {domain.classes[k]!r}", domain.images[domain.labels == k]) for k in gone]
    if lost:
        homes = [os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in files]) for _, files in lost]
        said = ", ".join(f"{name} ({home})" for (name, _), home in zip(lost, homes, strict=True))
        raise ValueError(f"no picture can be read of {said}: put readable ones there, or remove the folder")


def first_classes(domain: Domain, count: int) -> Domain:
    """Return the part of a domain in its first `count` classes; 0 keeps all."""
    if count == 0:
        return domain
    if not 0 < count <= len(domain.classes):
        raise ValueError(f"domain {domain.name} has {len(domain.classes)} classes, not {count}")
    part = domain.rows(np.flatnonzero(domain.known_labels < count))
    return dataclasses.replace(part, classes=domain.classes[:count])


def named_classes(domain: Domain, names: tuple[str, ...]) -> Domain:
    """Return the part of a domain in the named classes; () keeps all."""
    if not names:
        return domain
    place = np.array([names.index(name) if name in names else -1 for name in domain.classes])
    part = domain.rows(np.flatnonzero(place[domain.known_labels] >= 0))
    return dataclasses.replace(part, classes=names, labels=place[part.known_labels].astype(np.int32))


def some(domain: Domain, count: int, seed: int) -> Domain:
    """Return at most `count` rows, drawn by the seed; 0 keeps all."""
    if not 0 < count < len(domain):
        return domain
    return domain.rows(np.sort(np.random.default_rng([seed, 3]).permutation(len(domain))[:count]))


def long_tail(domain: Domain, seed: int, ratio: float = 0.1) -> Domain:
    """Shift the label distribution: class k of K keeps ratio^(k / (K - 1)) of its images, drawn by the seed."""
    rng, last = np.random.default_rng([seed, 1]), max(len(domain.classes) - 1, 1)
    keep = []
    for k in range(len(domain.classes)):
        rows = np.flatnonzero(domain.known_labels == k)
        keep.append(rng.permutation(rows)[: max(1, round(len(rows) * ratio ** (k / last)))])
    return domain.rows(np.sort(np.concatenate(keep)))


def hold_out(domain: Domain, share: float, seed: int) -> tuple[Domain, Domain]:
    """Split a domain into training images and a share of every class for tests, drawn by the seed.

    A class of three or more gives at least one. Where every class has fewer, all images are both.
    """
    rng, kept = np.random.default_rng([seed, 4]), np.zeros(len(domain), bool)
    for k in range(len(domain.classes)):
        rows = rng.permutation(np.flatnonzero(domain.known_labels == k))
        kept[rows[: max(int(len(rows) * share), int(len(rows) > 2))]] = True
    return (domain.rows(np.flatnonzero(~kept)), domain.rows(np.flatnonzero(kept))) if kept.any() else (domain, domain)


def split_shots(domain: Domain, shots: int, seed: int) -> tuple[Domain, Domain]:
    """Split a domain into `shots` images of every class, drawn by the seed, and the rest."""
    rng = np.random.default_rng([seed, 2])
    chosen = []
    for k in np.unique(domain.known_labels):
        rows = np.flatnonzero(domain.known_labels == k)
        if len(rows) <= shots:
            raise ValueError(
                f"{shots} shots leave nothing of class {domain.classes[k]!r} in domain {domain.name}, "
                f"which has {len(rows)} images of it"
            )
        chosen.append(rng.permutation(rows)[:shots])
    taken = np.sort(np.concatenate(chosen))
    return domain.rows(taken), domain.rows(np.setdiff1d(np.arange(len(domain)), taken))


def relabel(domain: Domain, classes: tuple[str, ...]) -> Domain:
    """Return the same domain with labels numbered as in `classes`, those of the source."""
    if domain.labels is None:
        return dataclasses.replace(domain, classes=classes)
    strange = [name for name in domain.classes if name not in classes]
    if strange:
        raise ValueError(
            f"domain {domain.name} has the class {strange[0]!r} that the source lacks"
            + (f" (and {len(strange) - 1} more)" if len(strange) > 1 else "")
            + f"; the source has {', '.join(classes)}"
        )
    if domain.classes == classes:
        return domain
    index = np.array([classes.index(name) for name in domain.classes], "int32")
    return dataclasses.replace(domain, classes=classes, labels=index[domain.known_labels])


def union(domains: list[Domain]) -> Domain:
    """Concatenate several sources; `origin` holds each image's source. A single domain is returned unchanged."""
    if len(domains) == 1:
        return domains[0]
    domains = [domains[0], *(relabel(domain, domains[0].classes) for domain in domains[1:])]
    return Domain(
        "+".join(domain.name for domain in domains),
        domains[0].classes,
        join([domain.images for domain in domains]),
        np.concatenate([domain.known_labels for domain in domains]),
        np.repeat(np.arange(len(domains), dtype="int32"), [len(domain) for domain in domains]),
    )


IMBALANCE = ("", "source", "target")


def protocol(
    load: Callable[[str, str], Domain],
    task: str,
    shots: int = 0,
    source_classes: int = 0,
    target_classes: int = 0,
    imbalance: str = "",
    tail: float = 0.1,
    seed: int = 0,
    target_names: tuple[str, ...] = (),
    official: bool = False,
    holdout: float = 0.0,
    tested: bool = False,
) -> Task:
    """Make a task from its name: "R-S", or "H+M+R-S" for three sources and one target.

    Args:
        load: (domain name, split) -> Domain, splits "train" and "test".
        task: name of the task.
        shots: labelled target images of each class (semi-supervised), removed from the unlabelled ones.
        source_classes: keep the first classes of the source; 0 for all.
        target_classes: keep the first classes of the target; fewer than in the source is partial adaptation.
        imbalance: "source" or "target" draws that training set with a long tail; "" draws neither.
        tail: share that the last class of a long tail keeps.
        seed: seed of the draws.
        target_names: classes that the target keeps; () for all.
        official: use the loader's own shots, splits "labelled-3" and "unlabelled-3" for 3.
        holdout: share of each source class that is kept out of training for tests, where the loader's source has one
            set of images for both; in [0, 1).
        tested: measure on the loader's test split also where the shots are its own.
    """
    sources, dash, target = task.partition("-")
    if not dash or not sources or not target:
        raise ValueError(f"unknown task {task!r}: name it SOURCE-TARGET, or SOURCE+SOURCE-TARGET")
    if imbalance not in IMBALANCE:
        raise ValueError(f"imbalance is 'source', 'target' or empty, not {imbalance!r}")
    if not 0 < tail <= 1:
        raise ValueError(f"tail={tail}: the last class keeps a share above 0 and up to 1")
    if not 0 <= holdout < 1:
        raise ValueError(f"--config.holdout={holdout}: choose a share from 0 to below 1")

    def side(name: str, split: str, count: int) -> Domain:
        return first_classes(load(name, split), count)

    def origin(name: str) -> list[Domain]:
        found = load(name, "train"), load(name, "test")
        if holdout and same(found[0].images, found[1].images):
            found = hold_out(found[0], holdout, seed)
        return [first_classes(domain, source_classes) for domain in found]

    train, test = (union(list(parts)) for parts in zip(*map(origin, sources.split("+")), strict=True))

    def aim(split: str) -> Domain:
        return relabel(named_classes(side(target, split, target_classes), target_names), train.classes)

    train = long_tail(train, seed, tail) if imbalance == "source" else train
    streams = {"source": train}
    if shots and official:
        streams["target_labelled"], here = aim(f"labelled-{shots}"), aim(f"unlabelled-{shots}")
        there = aim("test") if tested else here  # published results test on the unlabelled images
    else:
        here, there = aim("train"), aim("test")
        if shots:
            whole = same(here.images, there.images)
            streams["target_labelled"], here = split_shots(here, shots, seed)
            there = here if whole else there  # no shot is a test image
    here = long_tail(here, seed, tail) if imbalance == "target" else here
    streams["target"] = here.unlabelled()
    tests, trains = {"source": test, "target": there}, {"source": train, "target": here}
    return Task(task, train.classes, streams, tests, trains)
