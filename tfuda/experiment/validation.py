"""Check the settings of a config against one table, before anything is built.

A value of the right type that makes no sense (a batch of -1, a rate of NaN) would train to a wrong result, or end in
a traceback hours later. Settings that depend on the data or on each other are checked where both are known.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from tfuda.core import nonfinite, precision, schedules
from tfuda.evaluation import validators
from tfuda.experiment import defaults
from tfuda.names import PARTS, SEAMS, backbone, near
from tfuda.networks import heads

READERS = ("digits", "emoji", "folders", "lists", "mnist", "tfds")  # modules of tfuda.data.readers: `load_domain`
NETWORKS = ("small", "resnet", "lenet", "mnist", "efficientnet", "applications", "hub")
SAMPLERS = ("uniform", "balanced", "oracle", "per_domain", "padded")
AUGMENTS = ("none", "shift")
WIDEST = 2**16  # units, channels or pixels
LONGEST = 10**9  # steps, seeds


class Range(NamedTuple):
    """Hold the range of numbers that a setting may have, and the words for that range."""

    kind: type
    low: float
    high: float
    says: str
    above: bool = False  # low itself is not allowed
    below: bool = False  # high itself is not allowed

    def wrong(self, value: Any) -> bool:
        """Return whether a value lies outside the range, or is of another type."""
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else int | float):
            return True
        ends = {*([self.low] if self.above else []), *([self.high] if self.below else []), math.inf}
        return not self.low <= value <= self.high or value in ends


def whole_number(low: int, high: int = LONGEST) -> Range:
    """Return the range of whole numbers from low to high."""
    return Range(int, low, high, f"a whole number from {low} to {high}")


POSITIVE = Range(float, 0, math.inf, "a number above 0", above=True)
NOT_BELOW_0 = Range(float, 0, math.inf, "a number from 0 on")
OR_DEFAULT = Range(float, -1, math.inf, "a number from 0 on, or -1 for the method's own")
SHARE = Range(float, 0, 1, "a share from 0 to 1")
SHARE_BELOW_1 = Range(float, 0, 1, "a share from 0 to below 1", below=True)
SHARE_ABOVE_0 = Range(float, 0, 1, "a share above 0 and up to 1", above=True)
COUNT, SIZE = whole_number(0), whole_number(0, WIDEST)
SOME, WIDTH = whole_number(1), whole_number(1, WIDEST)

RULES: dict[str, Range] = {
    "seed": COUNT,
    "data_seed": COUNT,
    "steps": SOME,
    "segment": SOME,
    "steps_per_execution": SOME,
    "batch": SOME,
    "batches.*": COUNT,
    "shots": COUNT,
    "source_classes": COUNT,
    "target_classes": COUNT,
    "source_test": COUNT,
    "tail": SHARE_ABOVE_0,
    "holdout": SHARE_BELOW_1,
    "views": whole_number(-1, 1000),
    "views_room": POSITIVE,
    "view.resize": SIZE,
    "view.size": SIZE,
    "beliefs.rate": SHARE_ABOVE_0,
    "beliefs.fade": NOT_BELOW_0,
    "beliefs.scale": POSITIVE,
    "rounds.rate": SHARE_ABOVE_0,
    "rounds.index": whole_number(0, 10**6),
    "augment.pixels": SIZE,
    "network.bottleneck": SIZE,
    "optimizer.rate": POSITIVE,
    "optimizer.by_task.*": POSITIVE,
    "optimizer.gamma": NOT_BELOW_0,
    "optimizer.power": NOT_BELOW_0,
    "optimizer.decay": NOT_BELOW_0,
    "optimizer.new_layers": NOT_BELOW_0,
    "optimizer.momentum": SHARE_BELOW_1,
    "optimizer.backbone_momentum": SHARE_BELOW_1,
    "pairs.steps": SOME,
    "pairs.segment": SOME,
    "pairs.batch": SOME,
    "pairs.rate": POSITIVE,
    "pairs.width": WIDTH,
    "pairs.blocks": whole_number(0, 1000),
    "pairs.layers": whole_number(0, 20),
    "pairs.cycle": NOT_BELOW_0,
    "pairs.identity": NOT_BELOW_0,
    "pairs.pool": COUNT,
    "pairs.size": SIZE,
    "pairs.resize": SIZE,
}

# Options of the library's own methods, seams and networks: of all that have the option, or of the one before the dot.
# Options of a user's own classes are not checked.
OPTIONS: dict[str, Range] = {
    "hidden": WIDTH,
    "region_hidden": WIDTH,
    "width": whole_number(0, WIDEST),
    "widths": WIDTH,
    "convolutions": whole_number(1, 100),
    "stride": whole_number(1, 100),
    "kernel": whole_number(1, 100),
    "blocks": whole_number(1, 100),
    "randomized": SIZE,
    "groups": SIZE,
    "overlap": SIZE,
    "ramp_steps": COUNT,
    "ramp_ahead": COUNT,
    "warmup": COUNT,
    "dropout": SHARE_BELOW_1,
    "sure": NOT_BELOW_0,
    "threshold": SHARE,
    "keep": SHARE_BELOW_1,
    "epsilon": NOT_BELOW_0,
    "scale": NOT_BELOW_0,
    "strength": NOT_BELOW_0,
    "factor": NOT_BELOW_0,
    "radius": POSITIVE,
    "step_size": POSITIVE,
    "rate": NOT_BELOW_0,
    "multiplier": NOT_BELOW_0,
    "trade_offs.*": NOT_BELOW_0,
    "trade_off": NOT_BELOW_0,
    "temperature": POSITIVE,
    "pada_temperature": POSITIVE,
    "count": whole_number(1, 1000),
    "ramp_height": NOT_BELOW_0,
    "margin": POSITIVE,
    "turns_of_backbone": whole_number(1, 100),
    "mcd.depth": whole_number(0, 10),
    "ent.hidden": SIZE,
    "mme.hidden": SIZE,
    "theta_rate": POSITIVE,
    "hda.scale": OR_DEFAULT,
    "hda.strength": OR_DEFAULT,
    "gvb.scale": OR_DEFAULT,
    "gvb.strength": OR_DEFAULT,
    "efficientnet*.momentum": SHARE_BELOW_1,
}
OWNERS = {"options": "method", **{f"{seam}_options": seam for seam in SEAMS}}

OPEN = ("augment.", "network_options.", "options.")  # parts of a config whose keys a benchmark's file chooses

WORDS: dict[str, tuple[str, ...]] = {
    "samplers.*": SAMPLERS,
    "augment.name": AUGMENTS,
    "network.name": NETWORKS,
    "network.neck": heads.NECKS,
    "on_bad_image": ("error", "skip"),
    "on_nan": nonfinite.ON_NAN,
    "select": validators.SELECTS,
    "validators": (*validators.GROUPS, *validators.ALL),
    "precision": (*precision.POLICIES,),
    "imbalance": ("", "source", "target"),
}


CODE = ("samplers.*", "augment.name", "network.name", "select", "validators")  # may be package.module:name


def check_config(config: ConfigDict) -> None:
    """Refuse a config with a setting that makes no sense.

    Raises:
        ValueError: names the first such setting, and the values that are allowed.
    """
    for key, value in leaves(config):
        if value is None:
            raise ValueError(f"{key} is None: leave it out, or give it a value")
        rule = allowed(config, key)
        many = value if isinstance(value, tuple | list) else (value,)
        if rule and not (key.startswith("options.trade_offs.") and (value in schedules.NAMED or callable(value))):
            if not many or any(map(rule.wrong, many)):
                raise ValueError(f"{key}={value!r}: {rule.says}{' each' if many is value else ''}")
        elif any(isinstance(one, float) and not math.isfinite(one) for one in many):
            raise ValueError(f"{key}={value!r}: a finite number")
    if config.get("select") == "oracle":
        raise ValueError("select='oracle' would choose by target labels: result.json names its value `oracle` anyway")
    for pattern, known in WORDS.items():
        for key, value in leaves(config):
            for word in words(key, value) if fnmatch.fnmatchcase(key, pattern) else ():
                if _plain(key, word) not in known and (":" not in str(word) or pattern not in CODE):
                    raise ValueError(f"unknown {key}={value!r}{near(str(word), known)}")


def words(key: str, value: Any) -> list:
    """Return the words of a setting: one, but of `validators` those between commas."""
    return value.split(",") if key == "validators" and isinstance(value, str) else [value]


def _plain(key: str, value: Any) -> Any:
    """Return a value, or a network's name without the depth: resnet for resnet50."""
    return backbone(value)[0] if key == "network.name" and isinstance(value, str) else value


def allowed(config: ConfigDict, key: str) -> Range | None:
    """Return the range of values that a setting may have, or None where any finite number may stand."""
    first, _, rest = key.partition(".")
    if first == "network_options" or first in OWNERS:
        owner = config.network.name if first == "network_options" else config[OWNERS[first]]
        return None if ":" in str(owner) else _match(OPTIONS, f"{owner}.{rest}") or _match(OPTIONS, rest)
    return _match(RULES, key)


def _match(rules: dict[str, Range], key: str) -> Range | None:
    return rules.get(key) or next(
        (rule for pattern, rule in rules.items() if fnmatch.fnmatchcase(key, pattern)), None
    )


def check_complete(config: ConfigDict, where: str) -> None:
    """Refuse a config from a file where a setting is missing or has another type.

    Args:
        config: the config from the file.
        where: the file, for the error's sentence.

    Raises:
        ValueError: names the first such setting.
    """
    parts = [config.get(key) for key in PARTS]
    if missing := [key for key, part in zip(PARTS, parts, strict=True) if not isinstance(part, str)]:
        raise ValueError(f"{where} is damaged or of another version: it names no {missing[0]}")
    if not parts[0]:
        raise ValueError(f"{where} is damaged: it names no method")
    _complete(config, defaults.default_config("+".join(filter(None, parts))), where)


def _complete(tree: ConfigDict, plain: ConfigDict, where: str, prefix: str = "") -> None:
    for key, value in plain.items():
        found = tree.get(key)
        if found is None and prefix in OPEN:
            continue
        if not isinstance(found, (int, float) if isinstance(value, float) else type(value)):
            raise ValueError(f"{where} is damaged or of another version: {prefix}{key} is no {type(value).__name__}")
        if isinstance(value, ConfigDict):
            _complete(found, value, where, f"{prefix}{key}.")


def leaves(tree: ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (path of the key, value) for every setting of a config or a dict, as ("optimizer.rate", 0.1)."""
    for key, value in tree.items():
        if isinstance(value, ConfigDict | dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
