"""Resolve the names in a config: a module of the library, or an importable object of the user.

"toalign" means tfuda.weighers.toalign; "mypackage.mine:Mine" means a class of the user.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Mapping

SEAMS = ("weigher", "combiner", "regulariser")
PARTS = ("method", *SEAMS)
NAMED: set[str] = set()  # packages (whole names in tfuda) whose code this process was told to use


def near(name: str, known: Iterable[str]) -> str:
    """Return the end of an error sentence: the most similar known name if there is one, and all known names."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 1)
    return (f", did you mean {close[0]!r}?" if close else ";") + f" there are {', '.join(known)}"


def modules(package: str) -> list[str]:
    """List the names of the modules in tfuda.<package>."""
    found = pkgutil.iter_modules(importlib.import_module(f"tfuda.{package}").__path__)
    return [module.name for module in found if not module.ispkg]


def resolve(name: str, package: str):
    """Return the object that a name in a config refers to.

    Args:
        name: "module" for the object of the same name in tfuda.<package>.<module> ("source_only" gives SourceOnly),
            or "package.module:Name".
        package: the package of tfuda that belongs to the key of the config.

    Raises:
        ValueError: if the name is unknown, or cannot be imported.
    """
    module, colon, _ = name.partition(":")
    if not colon:
        if name not in modules(package):
            raise ValueError(f"unknown name {name!r} in tfuda.{package}{near(name, modules(package))}")
        found = vars(importlib.import_module(f"tfuda.{package}.{name}"))
        wanted = name.replace("_", "").lower()
        own = [value for key, value in found.items() if key.replace("_", "").lower() == wanted and callable(value)]
        if not own:
            raise ValueError(f"tfuda.{package}.{name} is a helper of other modules, not a name for a config")
        return own[0]
    package = module.partition(".")[0]
    NAMED.add(name if package == "tfuda" else package)
    return imported(name)


def imported(name: str):
    """Import the object "package.module:Name".

    Raises:
        ValueError: if the module cannot be imported, or has no such callable.
    """
    module, _, attribute = name.partition(":")
    try:
        found = importlib.import_module(module)
    except Exception as error:  # a module that runs for the first time may raise anything
        raise ValueError(f"cannot import {module!r} of {name!r}: {error or type(error).__name__}") from None
    if not callable(getattr(found, attribute, None)):
        public = [name for name, value in vars(found).items() if callable(value) and not name.startswith("_")]
        raise ValueError(f"module {module} has no {attribute!r}{near(attribute, public)}")
    return getattr(found, attribute)


def backbone(name: str) -> tuple[str, dict]:
    """What network.name says: a name for `resolve`, and options. "resnet50" is ("resnet", {"depth": 50}),
    "efficientnet_lite0" ("efficientnet", {"variant": "lite0"}), "package.module:Name" nothing but itself."""
    if ":" in name:
        return name, {}
    module, _, variant = name.partition("_")
    if variant:
        return module, {"variant": variant}
    module = name.rstrip("0123456789")
    depth = name.removeprefix(module)
    return module, {"depth": int(depth)} if depth else {}


def trains_source_only(config: Mapping) -> bool:
    """Return True if the run uses source_only without a regulariser that reads the target."""
    return config.get("method") == "source_only" and not config.get("regulariser")


def defaults(function: Callable) -> dict:
    """Return {option: default} of the keyword options of an extension or an augmentation."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
