"""pyproject.toml requires what the package imports."""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAMES = {"sklearn": "scikit-learn", "pil": "pillow", "absl": "absl-py", "grpc": "grpcio"}  # import, distribution


def test_every_import_at_the_top_of_a_module_is_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = {re.match(r"[\w-]+", line)[0].replace("-", "_") for line in project["dependencies"]}
    for path in (ROOT / "tfuda").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            for name in {name.partition(".")[0].lower() for name in names} - {*sys.stdlib_module_names, "tfuda"}:
                assert NAMES.get(name, name).replace("-", "_") in required, f"{path} imports {name}"
