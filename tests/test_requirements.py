"""pyproject.toml requires what the package imports."""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = {"sklearn": "scikit-learn", "pil": "pillow", "absl": "absl-py", "grpc": "grpcio"}  # import, distribution


EXTRA = {
    "tensorboard.py": "tensorboard",
    "tuner_library.py": "tune",
    "tfds_builders.py": "tfds",
    "emoji_drawing.py": "emoji",
}  # module: extra


def distributions(lines: list[str]) -> set[str]:
    return {re.match(r"[\w-]+", line)[0].replace("-", "_") for line in lines}


def test_every_import_at_the_top_of_a_module_is_required():
    """Of an extra it stands in the one module that is imported where the extra is used."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for path in (ROOT / "tfuda").rglob("*.py"):
        required = distributions(project["dependencies"])
        if path.name in EXTRA:
            required |= distributions(project["optional-dependencies"][EXTRA[path.name]])
        top = ast.parse(path.read_text()).body
        tried = [node for block in top if isinstance(block, ast.Try) for node in block.body]
        for node in [*top, *tried]:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in {name.partition(".")[0].lower() for name in names} - {*sys.stdlib_module_names, "tfuda"}:
                assert NAMES.get(name, name).replace("-", "_") in required, f"{path} imports {name}"


PRIVATE = {
    "core/keras_private.py",
    "core/tensorflow_private.py",
    "networks/weights/torch_pickle.py",
    "studies/tuner_library.py",
}
DOCUMENTED = {"_replace", "_fields", "_field_defaults", "_asdict", "_exit"}  # of named tuples, and of os


def private(tree: ast.AST) -> set[str]:
    """The modules and attributes with private names that a file uses."""
    found = set()
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found |= {name for name in modules if re.search(r"^tensorflow\.python|\.src\b|(^|\.)_(?!_)", name)}
        if isinstance(node, ast.Attribute) and re.match(r"_[^_]", node.attr):
            found.add(node.attr)
    return found


def own(tree: ast.AST) -> set[str]:
    """The names that a file defines."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.id if isinstance(node, ast.Name) else node.attr)
    return found


def test_private_names_of_a_library_stand_in_one_file_that_says_which_versions_were_tried():
    home = ROOT / "tfuda"
    trees = {path.relative_to(home).as_posix(): ast.parse(path.read_text()) for path in home.rglob("*.py")}
    known = DOCUMENTED.union(*(own(tree) for name, tree in trees.items() if name not in PRIVATE))
    using = {name for name, tree in trees.items() if private(tree) - known}
    assert using == PRIVATE
    assert all(re.search(r"Tried with [\w-]+ [\d.]+", (home / name).read_text()) for name in PRIVATE)
