"""Commands as a user types them, on a small network, and what they leave behind."""

import contextlib
import csv
import json
import os
import pathlib
import socket
import subprocess
import sys

from tfuda import build
from tfuda.workdir import Workdir, restore

ROOT = pathlib.Path(__file__).parent.parent
SMALL = [
    "--config.network_options.widths=(4,6,8)",
    "--config.network_options.convolutions=1",
    "--config.batch=8",
    "--config.options.hidden=8",
]


def command(name, *words, **options):
    full = [sys.executable, str(ROOT / "run" / f"{name}.py"), *map(str, words)]
    options = {"capture_output": True, "text": True, "cwd": ROOT, **options}
    return subprocess.run(full, timeout=300, check=False, **options)


def free(count) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as held:
        doors = [held.enter_context(socket.socket()) for _ in range(count)]
        for door in doors:
            door.bind(("127.0.0.1", 0))
        return [door.getsockname()[1] for door in doors]


def on_hosts(*words, count=2) -> list[subprocess.Popen]:
    """The same command on `count` hosts, which are processes here."""
    hosts = [f"127.0.0.1:{port}" for port in free(count)]
    clusters = [{"cluster": {"worker": hosts}, "task": {"type": "worker", "index": i}} for i in range(count)]
    return [
        subprocess.Popen(
            [sys.executable, *map(str, words)],
            env=os.environ | {"TF_CONFIG": json.dumps(cluster), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for cluster in clusters
    ]


def train_words(workdir, *more, cell="dannp+toalign", steps=60, segment=20):
    return [
        f"--config=configs/digits.py:{cell}",
        f"--config.steps={steps}",
        f"--config.segment={segment}",
        f"--workdir={workdir}",
        "--seed=1",
        *SMALL,
        *more,
    ]


def restored(workdir):
    folder = Workdir(workdir)
    method = build.method(folder.config())
    assert restore(folder.checkpoints(method))
    return method


def rows(workdir):
    """metrics.csv without the seconds."""
    with open(workdir / "metrics.csv", newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]
