"""What a method has made before its first step: translated pictures, and a network that has learnt the source.

A method says in `_stages` what it needs. Each stage is a run of its own, in a folder of its own that a killed command
goes on in, and that other runs of the same task may share:

    pairs     run/pair.py's, in config.pairs.folder, or WORKDIR/pairs
    teacher   a source_only run, in config.teacher, or WORKDIR/teacher

In both, {task} and {seed} stand for the run's own.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import keras
from ml_collections import ConfigDict

from tfuda import build, settings
from tfuda.data.domains import Domain, Task
from tfuda.names import near
from tfuda.networks.base import Network
from tfuda.translation import pairs
from tfuda.workdir import Workdir, restore


class Made(NamedTuple):
    """task: with the streams of the translations; teacher: the network of a source_only run."""

    task: Task
    teacher: Network | None = None


def prepare(config: ConfigDict, home: pathlib.Path, task: Task, verbose, say: Callable, train: Callable) -> Made:
    """Make what is missing, and say so.

    train: (config, workdir, task) -> the result of a run
    """
    needed = build.kind(config)._stages
    if not needed:
        return Made(task)
    if "target_labelled" in task.streams:
        raise ValueError(f"{config.method} has no use for labelled target images: leave out --config.shots")
    blank = untaught(config, task).task
    build.streams(config, blank), build.method(config, blank)  # a mistake in the config shows before hours of stages
    school = Workdir(place(config, config.teacher, home / "teacher"))
    if (school.path / "config.json").exists():
        fitting(config, school)
    folder = place(config, config.pairs.folder, home / "pairs")
    say(f"stage 1 of 3, pairs: {folder}")
    pairs.make(ConfigDict(config.to_dict()), Workdir(folder), verbose, task, say)
    translated = {name: pairs.load(folder, name, task.streams[name[:6]]) for name in pairs.DIRECTIONS}
    say(f"stage 2 of 3, source network: {school.path}")
    teacher = taught(config, school, task, train)
    say(f"stage 3 of 3, {config.method}: {home}")
    return Made(paired(config, task, translated), teacher)


def untaught(config: ConfigDict, task: Task) -> Made:
    """In place of `prepare` where only time and shapes matter: every picture its own translation, a new teacher."""
    if not build.kind(config)._stages:
        return Made(task)
    keras.utils.set_random_seed(build.seed(config))
    same = dict(zip(pairs.DIRECTIONS, (task.streams["source"], task.streams["target"]), strict=True))
    return Made(paired(config, task, same), build.network(config, task))


def place(config: ConfigDict, chosen: str, default: pathlib.Path) -> pathlib.Path:
    """A folder as the config names it."""
    named = chosen.replace("{task}", config.task).replace("{seed}", str(config.seed))
    return pathlib.Path(named) if named else default


def share(config: ConfigDict, folder: pathlib.Path) -> None:
    """Let all runs of a folder use the same stages, as far as the config does not say otherwise."""
    if build.kind(config)._stages:
        config.pairs.folder = config.pairs.folder or str(folder / "pairs" / "{task}")
        config.teacher = config.teacher or str(folder / "teacher" / "{task}-{seed}")


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
    return chosen


def paired(config: ConfigDict, task: Task, translated: dict[str, Domain]) -> Task:
    """The task with the parts that the config names, each image beside its other style."""
    source, target = task.streams["source"], task.streams["target"]
    there, back = (translated[name] for name in pairs.DIRECTIONS)
    streams = {
        "source": source,
        "source_as_target": dataclasses.replace(there, pairs=source.images),
        "target": dataclasses.replace(target, pairs=back.images),
        "target_as_source": dataclasses.replace(back, pairs=target.images),
    }
    return task._replace(streams={name: streams[name] for name in parts(config)})


# ---- the source network


def schooled(config: ConfigDict) -> ConfigDict:
    """The config of the source_only run on the same source, with the same network and recipe."""
    made = ConfigDict(config.to_dict())
    plain = settings.base("source_only")
    for key in ("cell", "method", "options", "weigher", "weigher_options", "combiner", "combiner_options", "passes"):
        made[key] = plain[key]
    made.teacher, made.pairs, made.deliver = "", plain.pairs, False
    made.samplers.target = "uniform"  # so that no table of the target's is in its checkpoint
    return made


def fitting(config: ConfigDict, workdir: Workdir) -> ConfigDict:
    """The config of the run in a folder, which has to be of a network for this one."""
    own = workdir.config()
    if own.method != "source_only":
        raise ValueError(f"{workdir.path} holds a run of {own.method}: --config.teacher is a run of source_only")
    if own.data != config.data or own.task.split("-")[0] != config.task.split("-")[0]:
        raise ValueError(f"{workdir.path} holds a run on task {own.task}, whose source is not that of {config.task}")
    keys = {"network": "network", "network_options": "network", "view": "view", "source_classes": "source_classes"}
    old, new = own.to_dict(), config.to_dict()  # a ConfigDict that is locked, as a command's, equals none that is not
    for key, what in keys.items():
        if old[key] != new[key]:
            raise ValueError(
                f"{workdir.path} holds a run with another {what} than this one: choose another --config.teacher"
            )
    return own


def taught(config: ConfigDict, workdir: Workdir, task: Task, train: Callable) -> Network:
    """The network of the run in a folder, which is trained first where it has not ended."""
    if workdir.finished() is None:
        train(schooled(config), workdir, task=task)
    own = fitting(config, workdir)
    own.weights = own.prior = ""  # all is in the checkpoint
    method = build.method(own, task)
    restore(workdir.checkpoints(method))
    method.network.shown = build.kind(config).shown(config.options)
    return method.network
