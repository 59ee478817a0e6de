"""Which names a file may say: a config.json may be a stranger's, and what a name in it means is run."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping

from tfuda import names
from tfuda.data import catalogue
from tfuda.experiment.validation import AUGMENTS, NETWORKS, READERS, SAMPLERS
from tfuda.names import PARTS, SEAMS, modules, near

PACKAGES = {"method": "methods", **{seam: f"{seam}s" for seam in SEAMS}}


def trusted(config: Mapping, where: str) -> None:
    """Refuse a config of a file in which a name is not one of the library's own at its key.

    Other names are code. The user allows a package in the --config of the same command, or in $TFUDA_TRUST, several
    separated by commas; both are needed for modules of tfuda itself too, which do not expect a stranger's arguments.
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
    """(key, value, what the library has for this key), of every key that names code."""
    for key, package in PACKAGES.items():
        if key in config:
            yield key, config[key], [*modules(package), *([""] if key in SEAMS else [])]
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
                plain = value.rstrip("0123456789") if tree == "network" and isinstance(value, str) else value
                yield f"{tree}.{key}", plain if plain in known else value, known


def allow(key: str, value: object, known: Collection[str], where: str) -> None:
    """Refuse a name that is neither known nor the user's own."""
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
    """Refuse a cell of a file that names code."""
    known = [name for package in PACKAGES.values() for name in modules(package)]
    for part in parts_of(text):
        allow("cell", part, known, where)


def parts_of(cell: str) -> list[str]:
    """ "gvb+metaalign[rate=2]@tllib" -> gvb, metaalign."""
    return [part for part in re.sub(r"\[[^\[\]]*\]", "", cell).partition("@")[0].split("+") if part]
