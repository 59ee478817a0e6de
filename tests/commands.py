"""Commands as a user types them, on a small network, and what they leave behind."""

import contextlib
import csv
import functools
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir, restore

ROOT = pathlib.Path(__file__).parent.parent
SMALL = [
    "--config.network_options.widths=(4,6,8)",
    "--config.network_options.convolutions=1",
    "--config.batch=8",
    "--config.options.hidden=8",
]


@functools.cache
def zygote():
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "zygote.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def command(name, *words, cwd=ROOT, env=None):
    """What a command does, as subprocess.run says it, without the time of its imports."""
    full = [str(ROOT / "run" / f"{name}.py"), *map(str, words)]
    with tempfile.TemporaryDirectory() as folder:
        out, err = (pathlib.Path(folder, name) for name in ("out", "err"))
        order = {"words": full, "cwd": str(cwd), "env": {**(env or os.environ)}, "out": str(out), "err": str(err)}
        process = zygote()
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        said = (file.read_text("utf-8", "surrogateescape") for file in (out, err))
        return subprocess.CompletedProcess(full, code, *said)


def fresh(name, *words, **options):
    """The same in a Python of its own, which imports all that it needs."""
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
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "core")))
    return [
        subprocess.Popen(
            [sys.executable, *map(str, words)],
            env=os.environ | {"TF_CONFIG": json.dumps(cluster), "PYTHONPATH": paths},
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
