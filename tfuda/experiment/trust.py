"""Check the names in a file: a config.json may come from a stranger, and a name in that file can run code."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping

from tfuda import names
from tfuda.data import catalogue
from tfuda.evaluation.validators import ALL, GROUPS, SELECTS
from tfuda.experiment.validation import AUGMENTS, NETWORKS, READERS, SAMPLERS, words
from tfuda.names import PARTS, SEAMS, backbone, modules, near

PACKAGES = {"method": "methods", **{seam: f"{seam}s" for seam in SEAMS}}


def trusted(config: Mapping, where: str) -> None:
    """Refuse a config from a file where a name is not one of the library's own names for that key.

    Any other name is code. The user allows a package by naming the package in the --config of the same command, or
    in $TFUDA_TRUST (several separated by commas). Modules of tfuda itself need the same, as those modules do not
    expect a stranger's arguments.

    Args:
        config: the config, or the part of a config, that the file holds.
        where: the file, for the error's sentence.

    Raises:
        ValueError: a name is not allowed, or the config is damaged.
    """
    for key, value, known in named(config, where):
        allow(key, value, known, where)
    if "cell" in config and "method" in config:
        parts = {config["method"], *(config.get(seam) for seam in SEAMS)} - {"", None}
        if not isinstance(config["cell"], str) or {*parts_of(config["cell"])} != parts:
            raise ValueError(f"{where} is damaged: its cell {config['cell']!r} is not its {', '.join(PARTS)}")


def tell(config: Mapping) -> None:
    """Note the packages that the user's own config names, whose code may run in this process."""
    for _, value, _ in named(config, "--config"):
        if isinstance(value, str) and ":" in value:
            package = value.partition(":")[0].partition(".")[0]
            names.NAMED.add(value if package == "tfuda" else package)


def named(config: Mapping, where: str) -> Iterator[tuple[str, object, Collection[str]]]:
    """Yield (key, value, the library's names for this key) for every key that names code."""
    for key, package in PACKAGES.items():
        if key in config:
            yield key, config[key], [*modules(package), *([""] if key in SEAMS else [])]
    for key, named_here in (("select", SELECTS), ("validators", (*GROUPS, *ALL))):
        if key in config:
            yield from ((key, word, named_here) for word in words(key, config[key]))
    if "data" in config:
        yield "data", config["data"], ["", *READERS, *catalogue.names()]
    trees = ("network", "name", NETWORKS), ("augment", "name", AUGMENTS), ("samplers", "", SAMPLERS)
    for tree, last, known in trees:
        if tree not in config:
            continue
        if not isinstance(config[tree], Mapping):
            raise ValueError(f"{where} is damaged: {tree} is no JSON object")
        for key, value in config[tree].items():
            if key == last or not last:
                plain = backbone(value)[0] if tree == "network" and isinstance(value, str) else value
                yield f"{tree}.{key}", plain if plain in known else value, known


def allow(key: str, value: object, known: Collection[str], where: str) -> None:
    """Refuse a name that is neither known nor allowed by the user.

    Args:
        key: the key of the config.
        value: the name at that key.
        known: the library's names for that key.
        where: the file, for the error's sentence.
    """
    if not isinstance(value, str):
        raise ValueError(f"{where} is damaged: {key} is no name")
    if value in known:
        return
    if ":" not in value:
        raise ValueError(f"{where}: unknown {key}={value!r}{near(value, known)}")
    package = value.partition(":")[0].partition(".")[0]
    told = os.environ.get("TFUDA_TRUST", "").split(",")
    if not package or not {package, value} & {*names.NAMED, *told}:
        raise ValueError(
            f"{where} names {value!r} as its {key}, code that would be run and is none of tfuda's for this: "
            f"if you trust it, say TFUDA_TRUST={package}"
        )


def cell(text: str, where: str) -> None:
    """Refuse a cell from a file in which a part names code that the user did not allow."""
    known = [name for package in PACKAGES.values() for name in modules(package)]
    for part in parts_of(text):
        allow("cell", part, known, where)


def parts_of(cell: str) -> list[str]:
    """Return the names in a cell: gvb and metaalign for "gvb+metaalign[rate=2]@tllib"."""
    return [part for part in re.sub(r"\[[^\[\]]*\]", "", cell).partition("@")[0].split("+") if part]
