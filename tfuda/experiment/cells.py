"""Parse a cell of the grid method × weigher × combiner × regulariser, as "dannp+toalign[scale=16]+mcc"."""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ml_collections import ConfigDict, FieldReference

from tfuda.core import method as step
from tfuda.names import SEAMS, defaults, modules, near, resolve

# Method options that are top-level keys of a config, because every benchmark sets them.
OWN = ("steps", "segment", "passes", "on_nan")


def parse_cell(text: str) -> ConfigDict:
    """Return the config of a cell: the method, the three seams, and the options of each with their defaults.

    A weigher or a regulariser alone takes its paper's method: "toalign" is dannp+toalign, "biwaa" is mstn+biwaa,
    "mcc" is source_only+mcc. On that method it sets the options that its `brings` names, unless they are in brackets.

    Args:
        text: names joined by +, each with options in brackets or none: "dannp+toalign+metaalign+mcc",
            "dannp+toalign[scale=16]", "dann[entropic=True;trade_offs.domain=0.1]".

    Raises:
        ValueError: a name or an option is unknown, or two parts are for the same seam.
    """
    parts = _parts(text)
    first = _name(parts[0]) if parts else text
    if not parts or (":" not in first and first not in modules("methods")):
        alone = [name for package in ("methods", "weighers", "regularisers") for name in modules(package)]
        raise ValueError(f"unknown name {first!r} in tfuda.methods{near(first, alone)}")
    config = ConfigDict({"cell": "+".join(parts), "method": _name(parts[0]), **dict.fromkeys(SEAMS, "")})
    kind = resolve(config.method, "methods")
    if not (inspect.isclass(kind) and issubclass(kind, step.Method)):
        raise ValueError(f"{config.method!r} is no tfuda.core.method.Method")
    config.options = _options(parts[0], {k: v for k, v in kind.options().items() if k not in OWN})
    config.update({f"{seam}_options": ConfigDict() for seam in SEAMS})
    for part in parts[1:]:
        seam = _seam(_name(part))
        if config[seam]:
            raise ValueError(f"{text!r} names two {seam}s, {config[seam]!r} and {_name(part)!r}")
        config[seam] = _name(part)
        found = resolve(config[seam], seam + "s")
        config[f"{seam}_options"] = _options(part, defaults(found))
        if getattr(found, "stands_on", "") == config.method:
            put(config, getattr(found, "brings", {}))
    return config


def put(config: ConfigDict, options: dict, place: str = "options") -> None:
    """Set options, as "trade_offs.domain", at a place, except any that the part lacks or the cell's brackets set."""
    said = options_in_brackets(config.cell).get(place, ())
    for name, value in options.items():
        tree, last = option_at(config, place, name)
        if last in tree and name not in said:
            tree[last] = value


def option_at(config: ConfigDict, place: str, name: str) -> tuple[ConfigDict, str]:
    """Return the tree of an option, as "trade_offs.domain", and the key; an empty tree where the cell lacks both."""
    term, _, last = name.rpartition(".")
    return (config[place].get(term, ConfigDict()) if term else config[place]), last


def options_in_brackets(text: str) -> dict[str, set[str]]:
    """Return the options in a cell's brackets by their place: {"options": {"trade_offs.domain"}, ...}.

    Args:
        text: a cell, with or without what a config's file takes behind an @.
    """
    first, *others = _parts(text.partition("@")[0])
    places = {"options": first, **{f"{_seam(_name(part))}_options": part for part in others}}
    return {place: {setting.partition("=")[0] for setting in _settings(part)} for place, part in places.items()}


class Lazy(NamedTuple):
    """Hold a function that ml_collections calls with a default and these arguments whenever a value is read."""

    fn: Callable
    args: list


def when_partial(config: ConfigDict, options: dict[str, float]) -> dict[str, FieldReference]:
    """Return options that have these values while config.partial names classes, and else their defaults.

    A later --config.partial counts, and a flag for the option itself takes precedence over both.
    """
    found = {}
    for name, value in options.items():
        tree, last = option_at(config, "options", name)
        chosen = functools.partial(_chosen, value)
        found[name] = FieldReference(tree[last], float, op=Lazy(chosen, [config.get_ref("partial")]))
    return found


def _chosen(other: float, default: float, said: str) -> float:
    return other if said else default


def _parts(text: str) -> list[str]:
    """Return a cell's names, each with its brackets; the method comes first."""
    parts = [part for part in re.split(r"\+(?![^\[]*\])", text) if part]
    if odd := [part for part in parts if not re.fullmatch(r"[^\[\]]+(\[[^\[\]]*\])?", part)]:
        raise ValueError(
            f"{odd[0]!r} in {text!r}: options stand in one pair of brackets behind a name, as dann[hidden=8]"
        )
    for package in ("weighers", "regularisers"):
        if parts and _name(parts[0]) in modules(package):
            parts = [resolve(_name(parts[0]), package).stands_on, *parts]
    return parts


def _settings(part: str) -> list[str]:
    """Return the settings in a part's brackets: ["scale=16", ...]."""
    return [*filter(None, part.partition("[")[2].rstrip("]").split(";"))]


def _seam(name: str) -> str:
    """Return the seam of a name; of a user's class, by what it declares: `changes`, a `trade_off`, or neither."""
    if ":" not in name:
        return next((seam for seam in SEAMS if name in modules(seam + "s")), "weigher")
    found = resolve(name, "weighers")
    if not inspect.isclass(found):
        raise ValueError(
            f"{name!r} is no class: a weigher is a class with `changes`, a regulariser one with `trade_off`"
        )
    if hasattr(found, "changes"):
        return "weigher"
    return "regulariser" if "trade_off" in defaults(found) else "combiner"


def _name(part: str) -> str:
    return part.partition("[")[0]


def _options(part: str, known: dict) -> ConfigDict:
    """Return the options of a part: the defaults, changed by the settings in the part's brackets."""
    found = ConfigDict({key: value for key, value in known.items() if value is not None})
    for setting in _settings(part):
        key, _, value = setting.partition("=")
        name, _, term = key.partition(".")
        tree, last = (found.get(name), term) if term else (found, name)
        if not isinstance(tree, ConfigDict) or last not in tree:
            hint = near(last, tree) if isinstance(tree, ConfigDict) else near(name, found)
            raise ValueError(f"{_name(part)} has no option {key!r}{hint}")
        old = tree[last]
        try:
            new = value if isinstance(old, str) else ast.literal_eval(value)
            if new is None or (isinstance(new, bool) and not isinstance(old, bool)):
                raise TypeError
            tree[last] = float(new) if isinstance(old, float) else new
        except (ValueError, SyntaxError, TypeError, OverflowError, MemoryError, RecursionError):
            several = isinstance(old, ConfigDict)
            wrong = f"is several: name one, as {key}.{min(old)}" if several else f"is no {type(old).__name__}"
            raise ValueError(f"{_name(part)} option {key}={value!r} {wrong}") from None
    return found


def parse_passes(text: str, streams: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the groups of streams that share a pass through the network.

    Args:
        text: "separate" (no groups), "joint", or groups of streams as "source+target_labelled,target".
        streams: names of all streams.
    """
    if text == "separate":
        return ()
    if text == "joint":
        return (tuple(streams),)
    groups = tuple(tuple(group.split("+")) for group in text.split(","))
    named = [name for group in groups for name in group]
    for name in named:
        if name not in streams or named.count(name) > 1:
            twice = " twice" if name in streams else ""
            raise ValueError(f"passes={text!r} names the stream {name!r}{twice}{near(name, streams)}")
    return groups
