"""Find the commit of the code that trains a run."""

from __future__ import annotations

import os
import pathlib
import subprocess
import tomllib

import tfuda

ROOT = pathlib.Path(tfuda.__file__).parent.parent


def git_commit(root: pathlib.Path = ROOT) -> str:
    """Return the git commit of a checkout of this project, or "" where the package lies anywhere else."""
    own = [str(root / name) for name in ("pyproject.toml", "tfuda/__init__.py")]
    try:
        if tomllib.loads(pathlib.Path(own[0]).read_text("utf-8"))["project"]["name"] != "tfuda":
            return ""
        _git(root, "ls-files", "--error-unmatch", *own)
        top, head = _git(root, "rev-parse", "--show-toplevel", "HEAD").split("\n")
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError):
        return ""
    return head if os.path.realpath(top) == os.path.realpath(root) else ""


def _git(folder: pathlib.Path, *words: str) -> str:
    # in a hook of another repository these variables name that repository
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    full = ["git", "-C", str(folder), *words]
    return subprocess.run(full, capture_output=True, text=True, timeout=10, check=True, env=env).stdout.strip()
