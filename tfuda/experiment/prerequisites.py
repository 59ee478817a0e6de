"""What a method has made before its first step: translated pictures, and a network that has learnt the source.

A method says in `_stages` what it needs. Each stage is a run of its own, in a folder of its own that a killed command
goes on in, and that other runs of the same task and seed may share:

    pairs     run/pair.py's, in config.pairs.folder, or WORKDIR/pairs
    teacher   a source_only run, in config.teacher, or WORKDIR/teacher

In both, {task} and {seed} stand for the run's own.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import keras
from ml_collections import ConfigDict

from tfuda.core import ops
from tfuda.data.tasks import Domain, Task
from tfuda.distributed import multi_host
from tfuda.experiment import build, defaults, translated_pairs
from tfuda.experiment.workdir import Workdir, restore
from tfuda.names import PARTS, SEAMS, near, trains_source_only
from tfuda.networks.base import Network


class Made(NamedTuple):
    """task: with the streams of the translations; teacher: the network of a source_only run."""

    task: Task
    teacher: Network | None = None


def needed(config: ConfigDict) -> bool:
    """Has anything to be made before the first step?"""
    return bool(build.kind(config)._stages)


def wants(config: ConfigDict, stage: str) -> bool:
    """Is this stage, "pairs" or "teacher", one of the method's?"""
    return stage in build.kind(config)._stages


def check_prerequisites(config: ConfigDict, home: pathlib.Path, task: Task) -> None:
    """Find a mistake in the config before hours of stages."""
    school = Workdir(folder_of(config, config.teacher, home / "teacher"))
    if (school.path / "config.json").exists():
        fitting(config, school)
    if "target_labelled" in task.streams and "shots" in build.kind(config)._refuses:
        raise ValueError(f"{config.method} has no use for labelled target images: leave out --config.shots")
    blank = untaught(config, task).task
    build.streams(config, blank), build.method(config, blank)
    build.streams(schooled(config, task), task)


def prepare(config: ConfigDict, home: pathlib.Path, task: Task, verbose, say: Callable, train: Callable) -> Made:
    """Make what is missing, and say so.

    train: (config, workdir, task) -> the result of a run
    """
    if not needed(config):
        return Made(task)
    school = Workdir(folder_of(config, config.teacher, home / "teacher"))
    folder = folder_of(config, config.pairs.folder, home / "pairs")
    ready = school.finished() and (translated_pairs.finished(folder) or not wants(config, "pairs"))
    if multi_host.are_several() and not ready:
        before = f"finished pairs in {folder} and " if wants(config, "pairs") else ""
        raise ValueError(
            f"{config.method} on several hosts needs {before}a finished teacher in {school.path}: make "
            f"{'them on one host, with run/pair.py and' if before else 'it on one host, with'} run/train.py"
        )
    several = 1 + len(build.kind(config)._stages)
    made = task
    if wants(config, "pairs"):
        say(f"stage 1 of {several}, pairs: {folder}")
        if translated_pairs.finished(folder):  # `load_pairs` looks whether they are of these pictures
            say(f"{folder} has all pairs of task {config.task}; nothing to do")
        else:
            translated_pairs.make_pairs(ConfigDict(config.to_dict()), Workdir(folder), verbose, task, say)
        translated = {
            name: translated_pairs.load_pairs(folder, name, task.streams[name[:6]])
            for name in translated_pairs.DIRECTIONS
        }
        made = paired(config, task, translated)
    say(f"stage {several - 1} of {several}, source network: {school.path}")
    teacher = taught(config, school, task, train)
    say(f"stage {several} of {several}, {config.method}: {home}")
    return Made(made, teacher)


def unmade(config: ConfigDict, home: pathlib.Path) -> set[str]:
    """Folders that a run would first make a stage in; one process at a time may."""
    if not needed(config):
        return set()
    school, folder = (
        folder_of(config, config.teacher, home / "teacher"),
        folder_of(config, config.pairs.folder, home / "pairs"),
    )
    open_pairs = wants(config, "pairs") and not translated_pairs.finished(folder)
    missing = [*([] if Workdir(school).finished() else [school]), *([folder] if open_pairs else [])]
    return {str(path.absolute()) for path in missing}


def untaught(config: ConfigDict, task: Task) -> Made:
    """In place of `prepare` where only time and shapes matter: every picture its own translation, a new teacher."""
    if not needed(config):
        return Made(task)
    keras.utils.set_random_seed(build.seed(config))
    if not wants(config, "pairs"):
        return Made(task, build.network(config, task))
    same = dict(zip(translated_pairs.DIRECTIONS, (task.streams["source"], task.streams["target"]), strict=True))
    return Made(paired(config, task, same), build.network(config, task))


def folder_of(config: ConfigDict, chosen: str, default: pathlib.Path) -> pathlib.Path:
    """A folder as the config names it."""
    named = chosen.replace("{task}", config.task).replace("{seed}", str(config.seed))
    return pathlib.Path(named) if named else default


def share(config: ConfigDict, folder: pathlib.Path) -> None:
    """Let all runs of a folder use the same stages, as far as the config does not say otherwise."""
    if wants(config, "pairs"):
        config.pairs.folder = config.pairs.folder or str(folder / "pairs" / "{task}-{seed}")
    if needed(config):
        own = "" if config.method == "daaa" else "-" + config.method + "".join(config.cell.partition("@")[1:])
        config.teacher = config.teacher or str(folder / f"teacher{own}" / "{task}-{seed}")  # one for each recipe


# ---- pairs


def parts(config: ConfigDict) -> list[str]:
    """Streams that a method with translations trains on."""
    known = build.kind(config)._shares
    chosen = [name for name in config.options.parts.split("+") if name]
    for name in chosen:
        if name not in known:
            raise ValueError(f"{config.method} has no part {name!r}{near(name, known)}")
    if not chosen:
        raise ValueError(f"{config.method} has no parts: join any of {', '.join(known)} by +")
    follows = config.samplers.target != "uniform" or config.beliefs.rate != 1 or config.prior
    if "target" not in chosen and ("target_as_source" in chosen or follows):
        raise ValueError(f"{config.method} needs the part target to ask its images for their classes")
    return chosen


def paired(config: ConfigDict, task: Task, translated: dict[str, Domain]) -> Task:
    """The task with the parts that the config names, each image beside its other style."""
    source, target = task.streams["source"], task.streams["target"]
    there, back = (translated[name] for name in translated_pairs.DIRECTIONS)
    streams = {
        "source": source,
        "source_as_target": dataclasses.replace(there, pairs=source.images),
        "target": dataclasses.replace(target, pairs=back.images),
        "target_as_source": dataclasses.replace(back, pairs=target.images),
    }
    return task._replace(streams={name: streams[name] for name in parts(config)})


# ---- the source network


def schooled(config: ConfigDict, task: Task) -> ConfigDict:
    """The config of the source_only run on the same source, with the same network and recipe."""
    replicas, fewest = ops.replicas(), min(len(task.streams[name]) for name in ("source", "target"))
    made = ConfigDict(config.to_dict())
    plain = defaults.default_config("source_only")
    for key in ("cell", "options", "passes", *PARTS, *(f"{seam}_options" for seam in SEAMS)):
        made[key] = plain[key]
    made.teacher, made.pairs, made.deliver = "", plain.pairs, False
    made.samplers.target = "uniform"  # so that no table of the target's is in its checkpoint
    made.batch = min(config.batch, fewest) // replicas * replicas
    return made


def fitting(config: ConfigDict, workdir: Workdir) -> ConfigDict:
    """The config of the run in a folder, which has to be of a network for this one."""
    own = workdir.config()
    if not trains_source_only(own) or own.shots:
        held = "no run of run/train.py" if "method" not in own else f"a run of {own.cell}, shots={own.shots}"
        raise ValueError(f"{workdir.path} holds {held}: --config.teacher is one of source_only without shots")
    if workdir.finished() and not workdir.saved():
        raise FileNotFoundError(
            f"{workdir.path} has ended, but its checkpoints are gone: delete it to train it again"
        )
    if own.data != config.data or own.task.split("-")[0] != config.task.split("-")[0]:
        raise ValueError(f"{workdir.path} holds a run on task {own.task}, whose source is not that of {config.task}")
    old, new = (json.loads(json.dumps(made.to_dict())) for made in (own, config))
    for key in (
        "network",
        "network_options",
        "view",
        "data_seed",
        "source_classes",
        "source",
        "imbalance",
        "tail",
        "holdout",
    ):
        if old.get(key) != new.get(key):
            raise ValueError(
                f"{workdir.path} holds a run with another {key} than this one: choose another --config.teacher"
            )
    return own


def taught(config: ConfigDict, workdir: Workdir, task: Task, train: Callable) -> Network:
    """The network of the run in a folder, which is trained first where it has not ended."""
    if workdir.finished() is None:
        train(schooled(config, task), workdir, task=task)
    own = fitting(config, workdir)
    own.weights = own.prior = ""  # all is in the checkpoint
    method = build.method(own, task)
    restore(workdir.checkpoints(method))
    multi_host.share_variables(method.state())
    method.network.shown = build.kind(config).shown(config.options)
    return method.network
