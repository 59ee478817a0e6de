"""List the options of a method, which are its class attributes, and set options of an instance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN = (bool, int, float, str, tuple, dict)
DECLARATIONS = ("reads", "refuses", "settings", "stages", "shares")  # what a class states for others: no options


def declared(kind: type, base: type) -> dict[str, Any]:
    """Return every option of a class with its default; options begin at the class `base`."""
    bases = [one for one in reversed(kind.__mro__) if issubclass(one, base)]
    found = {name: value for one in bases for name, value in vars(one).items()}
    return {
        n: v for n, v in found.items() if isinstance(v, PLAIN) and not n.startswith("_") and n not in DECLARATIONS
    }


def assign(method: Any, options: Mapping[str, Any]) -> None:
    """Set options of one method; trade-offs that are not named keep their values."""
    known, kind = method.options(), type(method).__name__
    for name, value in options.items():
        if name not in known:
            raise ValueError(f"{kind} has no option {name!r}: it has {', '.join(known)}")
        if name == "trade_offs":
            strange = set(value) - set(method.trade_offs)
            if strange:
                raise ValueError(f"{kind} has no term {min(strange)!r}: it has {', '.join(method.trade_offs)}")
            value = {**method.trade_offs, **value}
        setattr(method, name, value)
