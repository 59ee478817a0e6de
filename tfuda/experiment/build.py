"""Build data, network, method and streams from a config (tfuda/experiment/defaults.py)."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

import keras
import tensorflow as tf
from ml_collections import ConfigDict

from tfuda.core import method as step
from tfuda.core import ops, optimizers, precision, pseudo_labels, schedules
from tfuda.core.extension_points import joint
from tfuda.data import augment, catalogue, decodable, pipeline, tasks, views
from tfuda.data.files import Files
from tfuda.distributed import multi_host
from tfuda.experiment import cells, validation
from tfuda.experiment.validation import NETWORKS, READERS
from tfuda.names import backbone as named
from tfuda.names import defaults, imported, near, resolve
from tfuda.networks import heads
from tfuda.networks.base import Network
from tfuda.networks.layers import freeze, synchronised


def notice(line: str) -> None:
    """Print a line for the user on stderr, which no program reads."""
    print(line, file=sys.stderr)


def loader(config: ConfigDict, say: Callable[[str], None] = notice) -> Callable[[str, str], tasks.Domain]:
    """Return a function (domain name, split) -> Domain for config.data.

    The reader `load_domain(name, split, ...)` gets each further argument from the config's key of the same name.
    A file that cannot be read is an error, or is left out (config.on_bad_image), before anything is drawn.
    """
    if not config.data:
        raise ValueError("config.data is empty: name a data set of the catalogue, or package.module:function")
    if ":" in config.data:
        found: Callable = resolve(config.data, "data")
    elif config.data in READERS:
        found = imported(f"tfuda.data.readers.{config.data}:load_domain")
    elif config.data in catalogue.names():
        found = functools.partial(catalogue.load_domain, config.data)
    else:
        raise ValueError(f"unknown config.data={config.data!r}{near(config.data, {*READERS, *catalogue.names()})}")
    wanted = [name for name in inspect.signature(found).parameters if name in config]
    load = functools.partial(found, **{name: config[name] for name in wanted if name not in ("name", "split")})
    said: set[str] = set()

    def once(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    def sound(name: str, split: str) -> tasks.Domain:
        domain = load(name, split)
        if not isinstance(domain.images, Files):
            return domain
        images, keep = decodable.readable_pictures(domain.images, config.on_bad_image, once)
        tasks.check_kept(domain, keep)
        if config.cache:
            images = decodable.shrunk(images, config.view.resize, config.cache, once)
        return dataclasses.replace(domain.rows(keep), images=images)

    return sound


def task(config: ConfigDict, say: Callable[[str], None] = notice) -> tasks.Task:
    """Return the task of a config: the domains to train on and to evaluate on."""
    validation.check_config(config)
    labelled = bool(config.get("labelled"))
    keys = ("task", "shots", "source_classes", "target_classes", "imbalance", "tail", "seed", "holdout")
    made = tasks.protocol(
        loader(config, say),
        **{key: config[key] for key in keys},
        target_names=catalogue.part(config.data, config.partial) if config.partial else (),
        official=labelled or catalogue.shots(config.data, config.task.rpartition("-")[2]),
        tested=labelled,
    )
    made.tests["source"] = tasks.some(made.tests["source"], config.source_test, config.seed)
    return made


def seed(config: ConfigDict) -> int:
    """Return the seed of weights and batches in this round; a task's draws depend on config.seed alone."""
    return config.seed + 100 * config.rounds.index


def view(config: ConfigDict) -> views.View:
    """Return the View that makes a picture an image of the network's size."""
    return views.View(**config.view)


def kind(config: ConfigDict) -> type[step.Method]:
    """Return the class of config.method."""
    return resolve(config.method, "methods")


def starts_from_run(config: ConfigDict) -> bool:
    """Return whether config.weights names a run's folder (start_weights.py), not pretrained weights."""
    return bool(config.weights) and os.path.isdir(config.weights)


@precision.in_precision
def network(config: ConfigDict, of: tasks.Task) -> Network:
    """Return an untrained network (images -> Outputs) for the classes of a task.

    The backbone starts from config.weights where given. A name may say more than the network: "resnet50".
    """
    chosen, seen = config.network, view(config)
    name, said = named(chosen.name)
    backbone, method = resolve(name, "networks"), kind(config)
    options = {**config.network_options.to_dict(), **said}
    if config.weights and not starts_from_run(config):
        options |= {"weights": config.weights}
    known = defaults(backbone)
    for key in [key for key in options if key not in known]:
        if key in (*said, "weights") or not _elsewhere(key):
            raise ValueError(f"network {chosen.name} has no option {key!r}{near(key, known)}")
        del options[key]  # an option of the network that the config's file names
    images: Any = of.trains["source"].images
    if not seen.size and isinstance(images, Files):
        raise ValueError(
            "the images are files of any size: set config.view.resize and config.view.size, as 256 and 224"
        )
    size = (seen.size, seen.size) if seen.size else images.shape[1:3]
    head, neck = method.head(len(of.classes), config.options), method.neck(chosen.bottleneck, config.options)
    if neck is None:
        neck = heads.neck(chosen.bottleneck, chosen.neck, chosen.initial)
    elif chosen.neck != "linear":
        raise ValueError(f"{config.method} has a bottleneck of its own: leave out network.neck={chosen.neck}")
    attention, shown = method.attention(config.options), method.shown(config.options)
    stages = freeze(backbone(**options), chosen.frozen, chosen.name)
    made = Network(stages, len(of.classes), size, head, neck, chosen.initial, seen, attention, shown)
    return synchronised(made) if chosen.synchronised else made


def _elsewhere(option: str) -> bool:
    """Return whether any network of the library has this option."""
    return any(option in defaults(resolve(name, "networks")) for name in NETWORKS)


def untrained(config: ConfigDict) -> bool:
    """Return whether the network can start from pretrained weights and the config gives none."""
    name = named(config.network.name)[0]
    known = defaults(resolve(name, "networks")) if name in NETWORKS else {}
    return not config.weights and "weights" in known and "preset" not in known


def optimizer(config: ConfigDict, method: step.Method) -> keras.optimizers.Optimizer:
    """Return config.optimizer: "sgd" is the library's own, with groups; all other names are Keras's."""
    chosen = config.optimizer
    gather = optimizers.gathering(chosen.accumulate)
    start = chosen.rate * chosen.by_task.get(config.task, 1.0)
    decay = schedules.inverse_decay(start, chosen.gamma, chosen.power)
    span = method.rate_steps if chosen.per_step else 1

    def rate():
        return decay(method.rate_progress * span)

    if chosen.name == "sgd":
        groups = {True: (1.0, chosen.backbone_momentum), False: (chosen.new_layers, chosen.momentum)}
        backbone = method.network.backbone_paths()
        return optimizers.SGD(rate, lambda path: groups[path in backbone], chosen.decay, chosen.nesterov, **gather)
    known = optimizers.known()
    if chosen.name not in known:
        raise ValueError(f"unknown optimizer.name={chosen.name!r}{near(chosen.name, known)}")
    if chosen.new_layers != 1.0:
        raise ValueError(f"optimizer.new_layers needs optimizer.name=sgd: {chosen.name} has no groups")
    return known[chosen.name](rate, weight_decay=chosen.decay or None, **gather)


@precision.in_precision
def method(config: ConfigDict, of: tasks.Task | None = None, teacher: Network | None = None) -> step.Method:
    """Return the compiled method, ready for `fit`; its initial weights follow from config.seed.

    Args:
        config: the config of the run.
        of: the task; None to make the config's.
        teacher: the network of a source_only run, for a method that needs one.
    """
    validation.check_config(config)
    if config.jit and ops.replicas() > 1 and not tf.config.list_physical_devices("GPU"):
        raise ValueError("jit=True on several CPUs fails in TensorFlow: leave it out, or train on one device")
    if kind(config)._combine is not joint and config.combiner:
        raise ValueError(f"{config.method} has turns of its own, so {config.combiner} cannot combine its terms")
    if kind(config)._combine is not joint and config.optimizer.accumulate > 1:
        raise ValueError(f"optimizer.accumulate: a step of {config.method} is several updates; leave it out")
    of = of or task(config)
    keras.utils.set_random_seed(seed(config))
    seams: dict[str, Any] = {}
    for seam, name in (("weigh", "weigher"), ("combine", "combiner"), ("regulariser", "regulariser")):
        if config[name]:
            options = _known(config[f"{name}_options"], config[name], f"{name}s")
            seams[seam] = resolve(config[name], f"{name}s")(**options)
    if believed := pseudo_labels.make_beliefs(config, of):
        seams["pseudo"] = believed
    if "teacher" in kind(config).stages:
        seams["teacher"] = teacher
    if "pairs" in kind(config).stages:
        seams["targets"] = len(of.trains["target"])
    made = kind(config)(
        network(config, of),
        **seams,
        steps=config.steps,
        segment=config.segment,
        on_nan=config.on_nan,
        passes=cells.parse_passes(config.passes, {**of.streams, **kind(config).shares}),
        streams={name: domain.origins for name, domain in of.streams.items()},
        **config.options.to_dict(),
    )
    per = multi_host.steps_at_once(min(config.steps_per_execution, config.segment))
    if config.samplers.target in ("balanced", "oracle"):
        made.follow(len(of.streams["target"]), pseudo_labels.known_classes(config, of))
    made.compile(optimizer(config, made), jit_compile=config.jit, steps_per_execution=per)
    return made


def _known(options: ConfigDict, name: str, package: str) -> dict:
    known = defaults(resolve(name, package))
    for key in options:
        if key not in known:
            raise ValueError(f"{name} has no option {key!r}{near(key, known)}")
    return options.to_dict()


def streams(config: ConfigDict, of: tasks.Task | None = None) -> pipeline.Streams:
    """Return the streams of batches that `method.fit` takes."""
    of = of or task(config)
    batch = {}
    for name, size in sizes(config, of.streams).items():
        own = config.batches.get(name, 0)
        key = f"batches.{name}" if own else "batch"
        batch[name] = share_out(own or size, name, of.streams[name], key)
    kinds = {name: _of(sampler, "samplers") for name, sampler in config.samplers.items()}
    return pipeline.Streams(of.streams, batch, seed(config), augmentation(config), view(config), kinds)


def augmentation(config: ConfigDict) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None:
    """Return config.augment, (images [B, H, W, 3], seed [2]) -> images; None for none."""
    options = {key: value for key, value in config.augment.items() if key != "name"}
    found: Any = _of(config.augment.name, "augment")
    known = defaults(found.__init__ if inspect.isclass(found) else found)
    for key in options:
        if key not in known:
            raise ValueError(f"augment {config.augment.name} has no option {key!r}{near(key, known)}")
    change: Any = found(**options) if inspect.isclass(found) else functools.partial(found, **options)
    return None if found is augment.none else change


def _of(name: str, module: str) -> Callable:
    """Return a function of a module of tfuda.data, or the one that package.module:function names."""
    return resolve(name, "data") if ":" in name else imported(f"tfuda.data.{module}:{name}")


def sizes(config: ConfigDict, streams: Iterable[str]) -> dict[str, int]:
    """Return {stream: images in a step}: config.batch each, or in total where the method has proportions."""
    shares, replicas = kind(config).shares, ops.replicas()
    if not shares:
        return dict.fromkeys(streams, config.batch)
    found = {name: config.batch * shares[name] / sum(shares[name] for name in streams) for name in streams}
    if any(abs(size - round(size)) > 1e-6 or round(size) % replicas for size in found.values()):
        parts, unit = ", ".join(f"{name} {shares[name]}" for name in streams), 20 * replicas
        raise ValueError(
            f"batch={config.batch} does not divide into {parts}: take a multiple of {unit}, as {3 * unit}"
        )
    return {name: round(size) for name, size in found.items()}


def share_out(batch: int, name: str, domain: tasks.Domain, key: str) -> int:
    """Return a stream's images in the global batch: `batch`, at most the shots, in equal shares for all devices.

    An error names `key` of the config, which `batch` comes from.
    """
    replicas = ops.replicas()
    if batch % replicas:
        raise ValueError(f"batch={batch} does not divide into {replicas} equal shares, one for each device")
    count = min(batch, len(domain)) // replicas * replicas
    has = f"{len(domain)} image{'s' * (len(domain) != 1)}"
    if not count:
        raise ValueError(f"stream {name!r} has {has}, too few for {replicas} devices: name fewer by --devices")
    if batch > len(domain) and name != "target_labelled":
        raise ValueError(
            f"batch {batch} does not fit stream {name!r}: domain {domain.name} has {has}: --config.{key}={count}"
        )
    return count
