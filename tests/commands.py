"""Commands as a user types them, on a small network, and what they leave behind."""

import contextlib
import csv
import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir, restore

ROOT = pathlib.Path(__file__).parent.parent
SMALL = [
    "--config.network_options.widths=(4,6,8)",
    "--config.network_options.convolutions=1",
    "--config.batch=8",
    "--config.options.hidden=8",
]


class Zygote:
    """A Python that has imported what commands import (tests/zygote.py), whose forks run them.

    Args:
        python: the interpreter.
        env: its variables; None for those of the tests.
    """

    def __init__(self, python=sys.executable, env=None):
        words, pipe = [python, str(ROOT / "tests" / "zygote.py")], subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=env)

    def ask(self, order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def run(self, file, *words, **options) -> subprocess.CompletedProcess:
        """What a file does, as subprocess.run says it."""
        process = Forked(self, file, *words, **options)
        out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


class Forked:
    """A command in a fork, which runs beside the tests: what subprocess.Popen says of it."""

    def __init__(self, zygote, file, *words, cwd=ROOT, env=None):
        self.zygote, self.args, self.returncode = zygote, [str(file), *map(str, words)], None
        self.folder = tempfile.TemporaryDirectory()
        self.out, self.err = (pathlib.Path(self.folder.name, name) for name in ("out", "err"))
        places = {"cwd": str(cwd), "env": {**(env or os.environ)}, "out": str(self.out), "err": str(self.err)}
        self.pid = zygote.ask({"words": self.args, **places})

    def poll(self):
        if self.returncode is None:
            self.returncode = self.zygote.ask(self.pid)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def communicate(self, timeout=300):
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.01)
        return tuple(file.read_text("utf-8", "surrogateescape") for file in (self.out, self.err))


@functools.cache
def zygote() -> Zygote:
    return Zygote()


def started(name, *words, **options) -> Forked:
    """A command, which has begun."""
    return Forked(zygote(), ROOT / "run" / f"{name}.py", *words, **options)


def command(name, *words, **options) -> subprocess.CompletedProcess:
    """What a command does, without the time of its imports."""
    return zygote().run(ROOT / "run" / f"{name}.py", *words, **options)


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


def on_hosts(file, *words, count=2) -> list[Forked]:
    """The same command on `count` hosts, which are processes here."""
    hosts = [f"127.0.0.1:{port}" for port in free(count)]
    clusters = [{"cluster": {"worker": hosts}, "task": {"type": "worker", "index": i}} for i in range(count)]
    paths = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "core")))
    return [
        Forked(zygote(), file, *words, env=os.environ | {"TF_CONFIG": json.dumps(cluster), "PYTHONPATH": paths})
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
