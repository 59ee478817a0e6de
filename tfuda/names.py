"""What the names in a config mean: modules of the library, or anything that can be imported.

"toalign" is tfuda.weighers.toalign, "mypackage.mine:Mine" a user's own.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping

SEAMS = ("weigher", "combiner", "regulariser")
PARTS = ("method", *SEAMS)
NAMED: set[str] = set()  # packages (of tfuda itself whole names) whose code this process was told to use


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
    module, colon, _ = name.partition(":")
    if not colon:
        if name not in modules(package):
            raise ValueError(f"unknown name {name!r} in tfuda.{package}{near(name, modules(package))}")
        found = vars(importlib.import_module(f"tfuda.{package}.{name}"))
        wanted = name.replace("_", "").lower()
        own = [value for key, value in found.items() if key.replace("_", "").lower() == wanted and callable(value)]
        if not own:
            raise ValueError(f"tfuda.{package}.{name} is a part of others, and stands for nothing by itself")
        return own[0]
    package = module.partition(".")[0]
    NAMED.add(name if package == "tfuda" else package)
    return imported(name)


def imported(name: str):
    """The object that "package.module:Name" means."""
    module, _, attribute = name.partition(":")
    try:
        found = importlib.import_module(module)
    except Exception as error:  # what a module raises that is run for the first time
        raise ValueError(f"cannot import {module!r} of {name!r}: {error or type(error).__name__}") from None
    if not callable(getattr(found, attribute, None)):
        public = [name for name, value in vars(found).items() if callable(value) and not name.startswith("_")]
        raise ValueError(f"module {module} has no {attribute!r}{near(attribute, public)}")
    return getattr(found, attribute)


def trains_source_only(config: Mapping) -> bool:
    """Is it of source_only, with no regulariser that reads the target?"""
    return config.get("method") == "source_only" and not config.get("regulariser")


def says(thing: Callable, name: str, default):
    """What the module of a weigher or a regulariser states about it, as STANDS_ON."""
    plain = getattr(thing, "func", thing)  # of a functools.partial
    return getattr(sys.modules[plain.__module__], name, default)


def defaults(function: Callable) -> dict:
    """Keyword options of a seam or an augmentation, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
