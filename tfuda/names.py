"""What the names in a config mean: modules of the library, or anything that can be imported.

"toalign" is tfuda.weighers.toalign, "mypackage.mine:Mine" a user's own.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterable


def near(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence: what was probably meant, and what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 1)
    return (f", did you mean {close[0]!r}?" if close else ";") + f" there are {', '.join(known)}"


def modules(package: str) -> list[str]:
    """Names of the modules in tfuda.<package>."""
    return [module.name for module in pkgutil.iter_modules(importlib.import_module(f"tfuda.{package}").__path__)]


def resolve(name: str, package: str):
    """The object that a name of a config means; in module "source_only" it is SourceOnly."""
    module, colon, attribute = name.partition(":")
    if not colon:
        if name not in modules(package):
            raise ValueError(f"unknown name {name!r} in tfuda.{package}{near(name, modules(package))}")
        found = vars(importlib.import_module(f"tfuda.{package}.{name}"))
        wanted = name.replace("_", "").lower()
        return next(value for key, value in found.items() if key.replace("_", "").lower() == wanted)
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"cannot import {module!r} of {name!r}: {error}") from None
    if not hasattr(imported, attribute):
        public = [name for name, value in vars(imported).items() if callable(value) and not name.startswith("_")]
        raise ValueError(f"module {module} has no {attribute!r}{near(attribute, public)}")
    return getattr(imported, attribute)


def says(thing: Callable, name: str, default):
    """What the module of a weigher states about it, as STANDS_ON."""
    plain = getattr(thing, "func", thing)  # of a functools.partial
    return getattr(sys.modules[plain.__module__], name, default)


def defaults(function: Callable) -> dict:
    """Keyword options of a weigher, a combiner or an augmentation, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
