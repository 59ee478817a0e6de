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
