"""Define --devices and --strategy, the devices that a run uses."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import tensorflow as tf
from absl import flags

KINDS = ("auto", "mirrored", "multiworker")
DEVICES = flags.DEFINE_string("devices", "", "gpu:0,gpu:1 for several; every GPU, else the CPU, when empty")
STRATEGY = flags.DEFINE_enum(
    "strategy", "auto", KINDS, "auto is multiworker where TF_CONFIG names several hosts, and one host otherwise"
)

# Errors that TensorFlow raises if another worker does not answer.
GONE = (
    *(tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.InternalError),
    *(tf.errors.DeadlineExceededError, tf.errors.FailedPreconditionError),
)


def chosen(hosts: bool = False) -> contextlib.AbstractContextManager[bool]:
    """Return the scope that the flags ask for; see `strategy`."""
    return strategy(DEVICES.value, STRATEGY.value, hosts)


def shares(devices: str, count: int) -> list[list[int]]:
    """Return the GPUs of each of `count` processes, of --devices or of all GPUs; [] means the CPU.

    With more processes than GPUs, several processes share a GPU.
    """
    names = _names(devices) or [f"gpu:{i}" for i in range(len(tf.config.list_physical_devices("GPU")))]
    gpus = [int(name.partition(":")[2]) for name in names if name.startswith("gpu")]
    there = range(len(tf.config.list_physical_devices("GPU"))) if gpus else ()
    if lacking := [gpu for gpu in gpus if gpu not in there]:
        raise ValueError(f"--devices={devices}: there is no gpu:{lacking[0]}; this machine has {len(there)} GPUs")
    return [gpus[i::count] or gpus[i % len(gpus) :][:1] if gpus else [] for i in range(count)]


def share(gpus: list[int], devices: str, kind: str) -> contextlib.AbstractContextManager[bool]:
    """Return the scope of a process that sees only these GPUs, and takes their memory as needed.

    Args:
        gpus: numbers of the GPUs; [] for the CPU.
        devices: devices to use without GPUs, as in `strategy`.
        kind: one of KINDS.
    """
    there = tf.config.list_physical_devices("GPU")
    kept = [there[i] for i in gpus]
    if there:
        tf.config.set_visible_devices(kept, "GPU")
    for gpu in kept:
        tf.config.experimental.set_memory_growth(gpu, True)
    return strategy(",".join(f"gpu:{i}" for i in range(len(gpus))) or devices or "cpu:0", kind)


@contextlib.contextmanager
def strategy(devices: str = "", kind: str = "auto", hosts: bool = False) -> Iterator[bool]:
    """Enter the scope to build and train in; yield True if this process writes the workdir.

    Call this function once per process, before any other use of a device. config.batch is the global batch over all
    devices of all hosts; every replica takes its share.

    Args:
        devices: "" takes every GPU, else the CPU; "gpu:0" one device; "gpu:0,gpu:1" several; "cpu:0,cpu:1" logical
            CPUs, for tests of replicas.
        kind: one of KINDS; "mirrored" is MirroredStrategy also on one device, and ignores TF_CONFIG.
        hosts: True if this command can train on several hosts.
    """
    found = None if kind == "mirrored" else cluster(os.environ.get("TF_CONFIG", ""))
    if kind == "multiworker" and found is None:
        raise ValueError("--strategy=multiworker needs TF_CONFIG, which names all hosts and this one's place")
    if found is None or (kind == "auto" and len(found.hosts) == 1):
        with _one_host(devices, kind):
            yield True
        return
    if not hosts:
        raise ValueError(
            "TF_CONFIG names several hosts, on which run/train.py alone trains: unset it, or pass --strategy=mirrored"
        )
    with _several_hosts(devices, found) as writes:
        yield writes


class Cluster(NamedTuple):
    """Hold the workers' addresses from TF_CONFIG, and the index of this process."""

    hosts: list[str]
    place: int


def cluster(text: str) -> Cluster | None:
    """Parse TF_CONFIG; return None if it is empty."""
    if not text.strip():
        return None
    example = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
    try:
        said = json.loads(text)
        jobs, task = said["cluster"], said["task"]
        hosts, kind, place = jobs.get("worker"), task["type"], int(task["index"])
        ports = [int(host.rpartition(":")[2]) for host in hosts]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ValueError(f"TF_CONFIG={text} does not name hosts and a place among them, as {example} does") from None
    if [*jobs] != ["worker"] or kind != "worker":
        raise ValueError(f"TF_CONFIG={text} has jobs other than workers: make every host a worker, as in {example}")
    if not 0 <= place < len(hosts):
        raise ValueError(f"TF_CONFIG has index {place}, but its {len(hosts)} workers are numbered from 0")
    if len(set(hosts)) != len(hosts) or not all(0 < port < 2**16 for port in ports):
        raise ValueError(f"TF_CONFIG={text}: every worker needs its own address, HOST:PORT")
    return Cluster(hosts, place)


def meet(found: Cluster, seconds: float) -> None:
    """Wait until every worker has started; TensorFlow would wait for hours without naming the missing worker."""
    others = [host for i, host in enumerate(found.hosts) if i != found.place]
    own = int(found.hosts[found.place].rpartition(":")[2])
    end = time.monotonic() + seconds
    with socket.socket() as open_door:
        open_door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            open_door.bind(("", own))
        except OSError as error:
            raise ValueError(f"TF_CONFIG gives this worker port {own}: {error.strerror}") from None
        open_door.listen(len(found.hosts))
        while others:
            host, _, port = others[0].rpartition(":")
            try:
                socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
                others.pop(0)
            except OSError as error:
                if time.monotonic() > end:
                    reason = error.strerror or error
                    raise ValueError(f"worker {others[0]} did not answer in {seconds:.0f} s: {reason}") from None
                time.sleep(0.2)


@contextlib.contextmanager
def _several_hosts(devices: str, found: Cluster) -> Iterator[bool]:
    """Enter the scope of one worker; the loss of another worker becomes a ValueError that says so."""
    _visible(devices)
    place = f"worker {found.place} of {len(found.hosts)}"
    print(f"{place}: waiting for the others", file=sys.stderr, flush=True)
    meet(found, float(os.environ.get("TFUDA_WAIT", "600")))
    handler = signal.getsignal(signal.SIGTERM)
    try:
        made = tf.distribute.MultiWorkerMirroredStrategy()
        signal.signal(signal.SIGTERM, handler)  # TensorFlow's own handler would ignore the signal
        with made.scope():
            yield made.extended.should_checkpoint
    except GONE as error:
        raise ValueError(
            f"{place} has lost another one: its own output says why; the same command on all workers resumes"
        ) from error


def _visible(devices: str) -> None:
    """Restrict a worker to the GPUs in --devices, because a worker takes every GPU that TensorFlow sees."""
    names = _names(devices)
    if names and names[0].startswith("gpu"):
        there = tf.config.list_physical_devices("GPU")
        kept = [gpu for i, gpu in enumerate(there) if f"gpu:{i}" in names]
        if len(kept) < len(names):
            raise ValueError(f"--devices={devices}: this machine has {len(there)} GPUs")
        tf.config.set_visible_devices(kept, "GPU")
    elif names:
        if names != ["cpu:0"]:
            raise ValueError(f"--devices={devices}: a worker on the CPU is one device, cpu:0")
        tf.config.set_visible_devices([], "GPU")


def _names(devices: str) -> list[str]:
    names = [name.strip().lower() for name in devices.split(",") if name.strip()]
    kinds = {name.partition(":")[0] for name in names}
    if len(kinds) > 1 or not kinds <= {"cpu", "gpu"} or len(set(names)) != len(names):
        raise ValueError(f"--devices={devices}: name different devices of one kind, as gpu:0,gpu:1 or cpu:0")
    return names


def _one_host(devices: str, kind: str) -> contextlib.AbstractContextManager:
    names = _names(devices)
    names = names or [f"gpu:{i}" for i in range(len(tf.config.list_physical_devices("GPU")))] or ["cpu:0"]
    cpu = names[0].startswith("cpu")
    if cpu and len(names) > 1:
        split = [tf.config.LogicalDeviceConfiguration()] * len(names)
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], split)
    there = [device.name.removeprefix("/device:").lower() for device in tf.config.list_logical_devices()]
    for name in names:
        if name not in there:
            raise ValueError(f"--devices={devices}: there is no {name}; this machine has {', '.join(there)}")
    if len(names) == 1 and kind == "auto":
        return tf.device(names[0])
    return tf.distribute.MirroredStrategy(
        names, cross_device_ops=tf.distribute.ReductionToOneDevice() if cpu else None
    ).scope()
