"""The rooms of the library: which may import from which, and how many files lie outside of them."""

import ast
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1] / "tfuda"
FLOORS = (  # from the ground up: a room imports from its own floor and from those below
    ("core", "networks", "data", "distributed"),
    ("methods", "weighers", "combiners", "regularisers"),
    ("translation", "evaluation", "serving"),
    ("experiment", "configs"),
    ("studies", "reports", "profiling"),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
MODULES = sorted(path for path in HOME.rglob("*.py") if path.parent != HOME)


def imported(path: Path) -> set[str]:
    """The rooms that a module imports from, at its top or within a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("tfuda.")}
    return found & {*FLOOR}


def test_every_room_has_a_floor():
    assert {path.name for path in HOME.iterdir() if path.is_dir() and path.name != "__pycache__"} == {*FLOOR}


@pytest.mark.parametrize("room", FLOOR)
def test_imports_point_down(room):
    for path in (path for path in MODULES if path.relative_to(HOME).parts[0] == room):
        above = {other for other in imported(path) if FLOOR[other] > FLOOR[room]}
        assert not above, f"{path.relative_to(HOME)} imports from {above}"


def test_few_files_lie_outside_of_the_rooms():
    assert len([*HOME.glob("*.py")]) <= 8


def test_no_two_rooms_import_from_each_other_but_those_on_one_floor():
    root = [path for path in HOME.glob("*.py") if path.name != "__init__.py"]
    assert not set.union(*(imported(path) for path in root)), "what lies outside of the rooms imports from none"
