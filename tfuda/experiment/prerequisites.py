"""Prepare what a method needs before its first step: translated pictures, and a network trained on the source.

A method lists its needs in `stages`. Each stage is a separate run in a separate folder. The same command resumes a
stage that was killed, and other runs of the same task and seed may share the folder:

    pairs     run/pair.py's, in config.pairs.folder, or WORKDIR/pairs
    teacher   a source_only run, in config.teacher, or WORKDIR/teacher

In both keys, {task} and {seed} are replaced by the run's task and seed.
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
    """Hold what the stages made.

    Attributes:
        task: the task, with the streams of the translations where a method trains on translations.
        teacher: the network of a source_only run, or None.
    """

    task: Task
    teacher: Network | None = None


def needed(config: ConfigDict) -> bool:
    """Return whether the method needs any stage before its first step."""
    return bool(build.kind(config).stages)


def wants(config: ConfigDict, stage: str) -> bool:
    """Return whether the method needs the stage "pairs" or "teacher"."""
    return stage in build.kind(config).stages


def check_prerequisites(config: ConfigDict, home: pathlib.Path, task: Task) -> None:
    """Refuse a mistake in the config before the stages take hours."""
    school = Workdir(folder_of(config, config.teacher, home / "teacher"))
    if (school.path / "config.json").exists():
        fitting(config, school)
    if "target_labelled" in task.streams and "shots" in build.kind(config).refuses:
        raise ValueError(f"{config.method} has no use for labelled target images: leave out --config.shots")
    blank = untaught(config, task).task
    build.streams(config, blank), build.method(config, blank)
    build.streams(schooled(config, task), task)


def prepare(config: ConfigDict, home: pathlib.Path, task: Task, verbose, say: Callable, train: Callable) -> Made:
    """Perform the missing stages of a run, and report each stage.

    Args:
        config: the config of the run.
        home: the folder of the run.
        task: the task of the run.
        verbose: as in Keras's `fit`.
        say: takes a line for the user.
        train: (config, workdir, task) -> the result of a run.
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
    several = 1 + len(build.kind(config).stages)
    made = task
    if wants(config, "pairs"):
        say(f"stage 1 of {several}, pairs: {folder}")
        if translated_pairs.finished(folder):  # `load_pairs` checks that the pairs are of these pictures
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
    """Return the folders in which a run would perform a stage, which only one process at a time may do."""
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
    """Replace `prepare` where only time and shapes matter: each picture is its own translation, the teacher new."""
    if not needed(config):
        return Made(task)
    keras.utils.set_random_seed(build.seed(config))
    if not wants(config, "pairs"):
        return Made(task, build.network(config, task))
    same = dict(zip(translated_pairs.DIRECTIONS, (task.streams["source"], task.streams["target"]), strict=True))
    return Made(paired(config, task, same), build.network(config, task))


def folder_of(config: ConfigDict, chosen: str, default: pathlib.Path) -> pathlib.Path:
    """Return the folder that the config names, or the default where the config names none."""
    named = chosen.replace("{task}", config.task).replace("{seed}", str(config.seed))
    return pathlib.Path(named) if named else default


def share(config: ConfigDict, folder: pathlib.Path) -> None:
    """Let all runs in a folder share their stages, except where the config names other folders."""
    if wants(config, "pairs"):
        config.pairs.folder = config.pairs.folder or str(folder / "pairs" / "{task}-{seed}")
    if needed(config):
        recipe = config.method + "".join(config.cell.partition("@")[1:])  # one teacher for each
        config.teacher = config.teacher or str(folder / f"teacher-{recipe}" / "{task}-{seed}")


# ---- pairs


def parts(config: ConfigDict) -> list[str]:
    """Return the names of the streams that a method with translations trains on."""
    known = build.kind(config).shares
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
    """Return the task with the parts that the config names, each image paired with its other style."""
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
    """Return the config of the source_only run on the same source, with the same network and recipe."""
    replicas, fewest = ops.replicas(), min(len(task.streams[name]) for name in ("source", "target"))
    made = ConfigDict(config.to_dict())
    plain = defaults.default_config("source_only")
    for key in ("cell", "options", "passes", *PARTS, *(f"{seam}_options" for seam in SEAMS)):
        made[key] = plain[key]
    made.teacher, made.pairs, made.deliver = "", plain.pairs, False
    made.samplers.target = "uniform"  # so that the teacher's checkpoint holds no table about the target
    made.batch = min(config.batch, fewest) // replicas * replicas
    return made


def fitting(config: ConfigDict, workdir: Workdir) -> ConfigDict:
    """Return the config of the source_only run in a folder, and refuse a run that does not fit this one.

    Raises:
        ValueError: the run is no source_only run, or has another source or network.
        FileNotFoundError: the run has ended and has no checkpoint.
    """
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
    """Return the network of the source_only run in a folder, after training that run to its end."""
    if workdir.finished() is None:
        train(schooled(config, task), workdir, task=task)
    own = fitting(config, workdir)
    own.weights = own.prior = ""  # the checkpoint holds everything
    method = build.method(own, task)
    restore(workdir.checkpoints(method))
    multi_host.share_variables(method.state())
    method.network.shown = build.kind(config).shown(config.options)
    return method.network
