"""Draw docs/architecture.svg: which room of tfuda/ imports from which, as the import statements say.

python docs/generate/architecture.py
"""

from __future__ import annotations

import ast
import collections
import functools
import html
import pathlib

HERE = pathlib.Path(__file__).parents[1]
HOME, PICTURE = HERE.parent / "tfuda", HERE / "architecture.svg"
WIDTH, ROW, BOX, HEIGHT = 1000, 120, 132, 46
Graph = dict[str, set[str]]


def graph(home: pathlib.Path = HOME) -> Graph:
    """Return the rooms that each room imports from."""
    rooms = sorted(path.parent.name for path in home.glob("*/__init__.py"))
    found: Graph = {room: set() for room in rooms}
    for room in rooms:
        for path in sorted((home / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                found[room] |= {*imported(node)} & {*rooms} - {room}
    return found


def imported(node: ast.AST) -> list[str]:
    """Return the rooms that a node names, if the node is an import statement."""
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    if isinstance(node, ast.ImportFrom):
        modules = [f"{node.module}.{alias.name}" for alias in node.names]
    return [module.split(".")[1] for module in modules if module.startswith("tfuda.")]


def below(edges: Graph, room: str) -> set[str]:
    """Return the room and all that it imports from, itself or by other rooms."""
    seen: set[str] = set()
    new = {room}
    while new:
        seen |= new
        new = {other for one in new for other in edges[one]} - seen
    return seen


def rows(edges: Graph) -> list[list[str]]:
    """Return the rooms by their height, the ground first: a room stands above all that it imports from.

    Rooms that import from each other stand side by side.
    """

    @functools.cache
    def height(room: str) -> int:
        under = [other for other in below(edges, room) if room not in below(edges, other)]
        return 1 + max(map(height, under), default=-1)

    floors: dict[int, list[str]] = collections.defaultdict(list)
    for room in sorted(edges):
        floors[height(room)].append(room)
    return [floors[floor] for floor in sorted(floors)]


def places(floors: list[list[str]]) -> dict[str, tuple[float, float]]:
    """Return the middle of each room's box in the picture, the ground at the bottom."""
    found = {}
    for floor, rooms in enumerate(floors):
        shift = 0.18 * (-1) ** floor if len(rooms) == 1 else 0  # so that lines pass beside a room that stands alone
        for i, room in enumerate(rooms):
            x = WIDTH * ((i + 0.5 + shift) / len(rooms))
            found[room] = x, ROW * (len(floors) - floor - 0.5)
    return found


def direct(edges: Graph, room: str, other: str) -> bool:
    """Return whether no third room leads from the one to the other; what imports from the other leads nowhere."""
    thirds = {third for third in edges[room] - {other} if third not in below(edges, other)}
    return not any(other in edges[third] for third in thirds)


def picture(edges: Graph) -> str:
    """Return the picture as SVG."""
    floors = rows(edges)
    at, size = places(floors), ROW * len(floors)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {size}" font-family="sans-serif">',
        "<title>Which room imports from which</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#33506e"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{size}" fill="white"/>',
    ]
    every = [(room, other) for room in sorted(edges) for other in sorted(edges[room])]
    for room, other in sorted(every, key=lambda both: direct(edges, *both)):  # direct ones are drawn last
        lines.append(arrow(at[room], at[other], direct(edges, room, other), f"{room} → {other}"))
    lines += [box(room, *at[room]) for room in sorted(edges)]
    return "\n".join([*lines, "</svg>"]) + "\n"


def arrow(start: tuple[float, float], end: tuple[float, float], dark: bool, title: str) -> str:
    """Return a line from box to box, with what stands beside the mouse."""
    (x1, y1), (x2, y2) = start, end
    if y1 == y2:
        side = 1 if x2 > x1 else -1  # one way above the boxes, the other way below
        x1, x2, y1 = x1 + side * BOX / 4, x2 - side * BOX / 4, y1 + side * HEIGHT / 2
        bend = f"Q{(x1 + x2) / 2:.1f} {y1 + side * HEIGHT:.1f} {x2:.1f} {y1:.1f}"
    else:
        y1, y2 = y1 + HEIGHT / 2, y2 - HEIGHT / 2
        bend = f"L{x2:.1f} {y2:.1f}"
    style = 'stroke="#33506e" stroke-width="1.8"' if dark else 'stroke="#c3ccd6" stroke-width="1"'
    return (
        f'<path d="M{x1:.1f} {y1:.1f} {bend}" fill="none" {style} marker-end="url(#tip)">'
        f"<title>{html.escape(title)}</title></path>"
    )


def box(room: str, x: float, y: float) -> str:
    """Return the box of a room, with its name."""
    return (
        f'<rect x="{x - BOX / 2:.1f}" y="{y - HEIGHT / 2:.1f}" width="{BOX}" height="{HEIGHT}" rx="6" fill="#eef3f8" '
        f'stroke="#33506e"/><text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle" font-size="16">{room}</text>'
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(graph()), "utf-8")
