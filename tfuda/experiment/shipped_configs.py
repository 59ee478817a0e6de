"""Find the configs that come with the library: "digits:dannp" means the file digits.py and the cell dannp."""

from __future__ import annotations

import os
import pathlib
import runpy

from ml_collections import ConfigDict

from tfuda.names import near

FOLDER = pathlib.Path(__file__).parents[1] / "configs"


def names() -> list[str]:
    """Return the names of the configs that come with the library."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def located(text: str) -> str:
    """Return FILE:CELL for NAME:CELL where NAME is a shipped config, and any other text unchanged.

    A file called NAME in the current folder takes precedence.
    """
    name, colon, cell = text.partition(":")
    if os.path.isfile(name) or name not in names():
        return text
    return f"{FOLDER / name}.py{colon}{cell}"


def contents(text: str) -> dict:
    """Return the names that a config's file defines: `get_config(cell)`, `sweep(hp, config)`, `TASKS`, ...

    Args:
        text: "digits", "digits:dannp+toalign", "configs/digits.py", "mine.py:dann", ...

    Raises:
        FileNotFoundError: there is no such file, and no shipped config of that name.
    """
    path = located(text).partition(":")[0]
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"--config={path}: there is no such file, and tfuda brings no config of that name{near(path, names())}"
        )
    return runpy.run_path(path)


def get_config(text: str) -> ConfigDict:
    """Return the config of a cell, for changes and then for `tfuda.build`.

    Args:
        text: NAME:CELL of a shipped config, or FILE:CELL of your own file; without :CELL the file's default cell.

    Example:
        config = tfuda.get_config("digits:dannp+toalign")
        config.task, config.steps = "R-S", 400
    """
    found, cell = contents(text).get("get_config"), text.partition(":")[2]
    if found is None:
        raise ValueError(f"--config={text}: the file defines no get_config")
    return found(cell) if cell else found()
