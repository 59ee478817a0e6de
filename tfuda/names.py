"""What the names in a config mean: modules of the library, or anything that can be imported.

"toalign" is tfuda.weighers.toalign, "mypackage.mine:Mine" a user's own.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

SEAMS = ("weigher", "combiner", "regulariser")
PARTS = ("method", *SEAMS)
NAMED: set[str] = set()  # packages whose code this process was told to use
CODE = re.compile(r"(?:^|\+)\s*([^\[\]+:.]*)[^\[\]+:]*:")  # package.module:Name, alone or as a part of a cell


def near(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence: what was probably meant, and what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 1)
    return (f", did you mean {close[0]!r}?" if close else ";") + f" there are {', '.join(known)}"


def modules(package: str) -> list[str]:
    """Names of the modules in tfuda.<package>."""
    found = pkgutil.iter_modules(importlib.import_module(f"tfuda.{package}").__path__)
    return [module.name for module in found if not module.ispkg]


def resolve(name: str, package: str):
    """The object that a name of a config means; in module "source_only" it is SourceOnly."""
    module, colon, attribute = name.partition(":")
    if not colon:
        if name not in modules(package):
            raise ValueError(f"unknown name {name!r} in tfuda.{package}{near(name, modules(package))}")
        found = vars(importlib.import_module(f"tfuda.{package}.{name}"))
        wanted = name.replace("_", "").lower()
        own = [value for key, value in found.items() if key.replace("_", "").lower() == wanted and callable(value)]
        if not own:
            raise ValueError(f"tfuda.{package}.{name} is a part of others, and stands for nothing by itself")
        return own[0]
    NAMED.add(module.partition(".")[0])
    try:
        imported = importlib.import_module(module)
    except Exception as error:  # what a module raises that is run for the first time
        raise ValueError(f"cannot import {module!r} of {name!r}: {error or type(error).__name__}") from None
    if not callable(getattr(imported, attribute, None)):
        public = [name for name, value in vars(imported).items() if callable(value) and not name.startswith("_")]
        raise ValueError(f"module {module} has no {attribute!r}{near(attribute, public)}")
    return getattr(imported, attribute)


def trains_source_only(config: Mapping) -> bool:
    """Is it of source_only, with no regulariser that reads the target?"""
    return config.get("method") == "source_only" and not config.get("regulariser")


def trusted(config: Mapping, where: str) -> None:
    """Refuse code from outside the library that a file names, unless the user has named the package as well.

    A config.json may be a stranger's, and what a name in it means is run. The user names a package in the --config of
    the same command, or in $TFUDA_TRUST, several separated by commas.
    """
    known = {"tfuda", *NAMED, *os.environ.get("TFUDA_TRUST", "").split(",")}
    for value in named(config):
        for package in CODE.findall(value):
            if package not in known:
                raise ValueError(
                    f"{where} names {value!r}, code from outside tfuda that would be run: "
                    f"if it is yours, say TFUDA_TRUST={package}"
                )


def named(config: Mapping, inside: bool = False) -> Iterator[str]:
    """Every text in a config that may name code."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from named(value, key in ("network", "augment", "samplers"))
        elif isinstance(value, str) and (inside or key in ("cell", "data", *PARTS)):
            yield value


def says(thing: Callable, name: str, default):
    """What the module of a weigher or a regulariser states about it, as STANDS_ON."""
    plain = getattr(thing, "func", thing)  # of a functools.partial
    return getattr(sys.modules[plain.__module__], name, default)


def defaults(function: Callable) -> dict:
    """Keyword options of a seam or an augmentation, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
