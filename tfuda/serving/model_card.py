"""Write what is known of an exported model beside it: README.md for people, model_card.json for programs.

A card never holds a number that was computed from target labels: its target accuracy is an estimate without them. It
holds no path of the machine, and no time, so that the same run gives the same card.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tfuda.startup import VERSION

README, JSON = "README.md", "model_card.json"


class Card(NamedTuple):
    """Hold what is known of a model; whatever is not known keeps its default and is left out."""

    classes: Sequence[str]  # K names, in the order of the probabilities
    task: str = ""  # SOURCE-TARGET
    method: str = ""  # the cell, such as "dannp+toalign"
    network: str = ""
    weights: str = ""  # what the backbone started from, in words
    license: str = ""  # of those weights
    step: int = -1  # of the exported checkpoint
    validator: str = ""  # what chose the checkpoint
    pictures: Mapping[str, int] = {}  # {"source": training pictures, "target": the same, without labels}
    source_counts: Sequence[int] = ()  # source training pictures of each class, [K]
    source_accuracy: float = math.nan  # on held-out source pictures
    estimate: tuple[float, float, float] | None = None  # target accuracy and its interval, without target labels
    validators: Mapping[str, float] = {}  # {name: value} at the checkpoint
    warnings: Sequence[str] = ()
    settings: Mapping[str, Any] = {}  # {key: value} of the run's config, flat
    versions: Mapping[str, str] = {}  # {package: version} of training; those of the export are added


def versions() -> dict[str, str]:
    """Return the versions of the library, Python, TensorFlow and Keras."""
    import keras
    import tensorflow as tf

    return {
        "tfuda": VERSION,
        "python": sys.version.split()[0],
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: a float that is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


def known(card: Card) -> dict[str, Any]:
    """Return the fields of a card that differ from their defaults, by name."""
    defaults = Card._field_defaults
    found = {name: value for name, value in card._asdict().items() if name not in defaults or value != defaults[name]}
    return {name: value for name, value in found.items() if not (isinstance(value, float) and math.isnan(value))}


def as_json(card: Card, row: Mapping[str, str]) -> str:
    """Return model_card.json. row: the model's line of the parity table."""
    found = known(card)
    if card.estimate is not None:
        found["estimate"] = dict(zip(("value", "low", "high"), card.estimate, strict=True))
    found |= {"exported_with": versions(), "export": dict(row)}
    if "versions" in found:
        found["trained_with"] = found.pop("versions")
    return json.dumps(plain(found), indent=1, ensure_ascii=False) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a Markdown table, and an empty one; bars in a cell are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines] + [""]


def joined(found: Mapping[str, str]) -> str:
    """Return {package: version} as "package version, package version"."""
    return ", ".join(f"{name} {version}" for name, version in found.items() if version)


def percent(share: float) -> str:
    """Return a share in percent: 0.123 -> "12 %"."""
    return f"{100 * share:.0f} %"


def quality(card: Card) -> list[str]:
    """Return the lines about accuracy, validators and warnings."""
    lines = ["## How good it is", ""]
    if card.estimate is None or math.isnan(card.estimate[0]):
        lines += ["The accuracy on the target is not known, and was not estimated.", ""]
    else:
        value, low, high = card.estimate
        lines += [f"Estimated accuracy on the target: {percent(value)}, between {percent(low)} and {percent(high)}."]
        lines += ["The estimate used no target label.", ""]
    if not math.isnan(card.source_accuracy):
        lines += [f"Accuracy on held-out source pictures: {percent(card.source_accuracy)}.", ""]
    if card.validators:
        lines += table(
            ("validator, without target labels", "value"), [(k, f"{v:.4g}") for k, v in card.validators.items()]
        )
    lines += ["## Warnings", "", *(f"- {warning}" for warning in card.warnings or ["None."]), ""]
    return lines


def origin(card: Card) -> list[str]:
    """Return the lines about data, method and settings."""
    lines = ["## What it learnt from", ""]
    if card.pictures:
        said = {"source": "source, with labels", "target": "target, without labels"}
        lines += table(("pictures", "number"), [(said.get(name, name), n) for name, n in card.pictures.items()])
    if len(card.source_counts):
        rows = [(i, name, n) for i, (name, n) in enumerate(zip(card.classes, card.source_counts, strict=True))]
        lines += table(("label", "class", "source pictures"), rows)
    else:
        lines += table(("label", "class"), [*enumerate(card.classes)])
    facts = {
        "task": card.task,
        "method": card.method,
        "network": card.network,
        "started from": card.weights,
        "step of the checkpoint": card.step if card.step >= 0 else "",
        "chosen by": card.validator,
        "trained with": joined(card.versions),
        "exported with": joined(versions()),
    }
    lines += [
        "## How it was made",
        "",
        *table(("", ""), [(key, value) for key, value in facts.items() if value != ""]),
    ]
    lines += [f"All settings are in {JSON}.", ""] if card.settings else []
    return lines


def as_markdown(card: Card, row: Mapping[str, str], use: str) -> str:
    """Return README.md.

    Args:
        card: what is known.
        row: the model's line of the parity table.
        use: a sentence and lines of code that say how the format is loaded.
    """
    title = card.task or "An image classifier"
    lines = [f"# {title}{f': {card.method}' if card.method else ''}", ""]
    lines += [f"A classifier of pictures into {len(card.classes)} classes, exported by tfuda {VERSION}.", ""]
    lines += ["## Use", "", use, ""]
    lines += [
        f"Beside the Keras model, the export ({row['format']}) differs by at most {row['largest_difference']} in "
        f"probability, and {row['equal_labels']} of its labels are equal.",
        "",
    ]
    lines += quality(card) + origin(card)
    lines += ["## License", "", license_text(card), ""]
    return "\n".join(lines)


def license_text(card: Card) -> str:
    """Return the sentences about licenses."""
    if not card.license:
        return "The license of the weights that training started from is not known."
    return (
        f"The weights that training started from: {card.license}. "
        "Terms of the pictures, those of ImageNet included, may add to it."
    )


def texts(card: Card, row: Mapping[str, str], use: str) -> dict[str, str]:
    """Return {file name: content} of a card. Args: as `as_markdown`."""
    return {README: as_markdown(card, row, use), JSON: as_json(card, row)}
