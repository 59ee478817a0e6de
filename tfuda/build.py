"""From a config to objects: the only file that turns names into classes.

A name is a module of the library ("toalign" is tfuda.weighers.toalign) or a reference to anything that can be
imported ("mypackage.mine:Mine").
"""

from __future__ import annotations

import ast
import difflib
import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable

import keras
from ml_collections import ConfigDict

from tfuda import method as step
from tfuda import ops, optim, schedules
from tfuda.data import augment, domains, pipeline
from tfuda.networks.base import Network

SEAMS = ("methods", "weighers", "combiners")


# ---- names


def near(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence: what was probably meant, and what there is."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, 1)
    return (f", did you mean {close[0]!r}?" if close else ";") + f" there are {', '.join(known)}"


def modules(package: str) -> list[str]:
    """Names of the modules in tfuda.<package>."""
    return [module.name for module in pkgutil.iter_modules(importlib.import_module(f"tfuda.{package}").__path__)]


def resolve(name: str, package: str):
    """The object that a name of a config means; in module "source_only" it is SourceOnly."""
    module, colon, attribute = name.partition(":")
    if not colon:
        if name not in modules(package):
            raise ValueError(f"unknown name {name!r} in tfuda.{package}{near(name, modules(package))}")
        found = vars(importlib.import_module(f"tfuda.{package}.{name}"))
        wanted = name.replace("_", "").lower()
        return next(value for key, value in found.items() if key.replace("_", "").lower() == wanted)
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"cannot import {module!r} of {name!r}: {error}") from None
    if not hasattr(imported, attribute):
        public = [name for name, value in vars(imported).items() if callable(value) and not name.startswith("_")]
        raise ValueError(f"module {module} has no {attribute!r}{near(attribute, public)}")
    return getattr(imported, attribute)


def defaults(function: Callable) -> dict:
    """Keyword options of a weigher, a combiner or an augmentation, with their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


# ---- configs

# Method options that stand at the top of a config, because every benchmark sets them.
OWN = ("steps", "segment", "passes")


def cell(text: str) -> ConfigDict:
    """ "dannp+toalign+metaalign" -> method, weigher, combiner, and the options of each with their defaults.

    A weigher alone stands on DANNP, the baseline of ToAlign. Options may stand in brackets behind a name:
    "dannp+toalign[scale=16]", "dann[entropic=True;dropout=0]".
    """
    parts = [part for part in re.split(r"\+(?![^\[]*\])", text) if part]
    if parts and _name(parts[0]) in modules("weighers"):
        parts = ["dannp", *parts]
    if not parts:
        raise ValueError(f"unknown name {text!r} in tfuda.methods{near(text, modules('methods'))}")
    config = ConfigDict({"cell": "+".join(parts), "method": _name(parts[0]), "weigher": "", "combiner": ""})
    kind = resolve(config.method, "methods")
    if not (inspect.isclass(kind) and issubclass(kind, step.Method)):
        raise ValueError(f"{config.method!r} is no tfuda.method.Method")
    config.options = _options(parts[0], {k: v for k, v in kind.options().items() if k not in OWN})
    config.weigher_options, config.combiner_options = ConfigDict(), ConfigDict()
    for part in parts[1:]:
        seam = _seam(_name(part))
        if config[seam]:
            raise ValueError(f"{text!r} names two {seam}s, {config[seam]!r} and {_name(part)!r}")
        config[seam] = _name(part)
        config[f"{seam}_options"] = _options(part, defaults(resolve(config[seam], seam + "s")))
    return config


def _seam(name: str) -> str:
    """A combiner is a class and a weigher a function, where the name is not one of the library's."""
    if ":" in name:
        return "combiner" if inspect.isclass(resolve(name, "weighers")) else "weigher"
    return "combiner" if name in modules("combiners") else "weigher"


def _name(part: str) -> str:
    return part.partition("[")[0]


def _options(part: str, known: dict) -> ConfigDict:
    """Defaults, and over them what stands in a part's brackets."""
    found = ConfigDict({key: value for key, value in known.items() if value is not None})
    for setting in filter(None, part.partition("[")[2].rstrip("]").split(";")):
        key, _, value = setting.partition("=")
        if key not in found:
            raise ValueError(f"{_name(part)} has no option {key!r}{near(key, found)}")
        old = found[key]
        try:
            new = value if isinstance(old, str) else ast.literal_eval(value)
            found[key] = float(new) if isinstance(old, float) else new
        except (ValueError, SyntaxError, TypeError):
            raise ValueError(f"{_name(part)} option {key}={value!r} is no {type(old).__name__}") from None
    return found


def base(text: str) -> ConfigDict:
    """Every key of a config, for the cell; a benchmark's file sets what is its own."""
    config = cell(text)
    config.seed = 0
    config.data = ""  # a module with `load(domain, split)`: of tfuda.data, or package.module:function
    config.task = ""
    config.shots = 0
    config.source_classes = 0
    config.target_classes = 0
    config.imbalance = ""
    config.steps = 1000
    config.segment = 100  # steps between two evaluations, and two checkpoints
    config.steps_per_execution = 10
    config.batch = 32  # images of every stream in a step, over all replicas
    config.passes = "separate"
    config.augment = ConfigDict({"name": "none"})
    config.network = ConfigDict({"name": "small", "bottleneck": 0, "initial": "kaiming"})
    config.network_options = ConfigDict()
    config.optimizer = ConfigDict(
        {
            "name": "sgd",
            "rate": 1e-3,
            "gamma": 10.0,  # rate (1 + gamma progress)^-power
            "power": 0.75,
            "per_step": False,  # True: progress is counted in steps, as CDAN's and HDA's code does
            "momentum": 0.9,
            "decay": 0.0,  # L2 in the gradient, on every variable
            "new_layers": 1.0,  # factor on the rate of everything but the backbone
        }
    )
    config.jit = False
    return config


# ---- objects


def loader(config: ConfigDict) -> Callable[[str, str], domains.Domain]:
    """(domain name, split) -> Domain, of config.data."""
    if not config.data:
        raise ValueError("config.data is empty: name a module of tfuda.data, or package.module:function")
    return resolve(config.data if ":" in config.data else f"tfuda.data.{config.data}:load", "data")


def task(config: ConfigDict) -> domains.Task:
    """The domains to train on and to measure on."""
    keys = ("shots", "source_classes", "target_classes", "imbalance", "seed")
    return domains.protocol(loader(config), config.task, **{key: config[key] for key in keys})


def network(config: ConfigDict, of: domains.Task) -> Network:
    """images -> Outputs, untrained, for the classes and the image size of the task."""
    stages = resolve(config.network.name, "networks")(**config.network_options)
    height, width = of.streams["source"].images.shape[1:3]
    chosen = config.network
    return Network(stages, len(of.classes), (height, width), bottleneck=chosen.bottleneck, initial=chosen.initial)


def passes(text: str, streams: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """ "separate", "joint", or groups of streams: "source+target_labelled,target"."""
    if text == "separate":
        return ()
    if text == "joint":
        return (tuple(streams),)
    groups = tuple(tuple(group.split("+")) for group in text.split(","))
    for name in (name for group in groups for name in group):
        if name not in streams:
            raise ValueError(f"passes={text!r} names the stream {name!r}{near(name, streams)}")
    return groups


def optimizer(config: ConfigDict, method: step.Method) -> keras.optimizers.Optimizer:
    """By name: "sgd" is ours, with groups; any other is Keras's."""
    chosen = config.optimizer
    decay = schedules.inverse_decay(chosen.rate, chosen.gamma, chosen.power)
    span = method.steps if chosen.per_step else 1

    def rate():
        return decay(method.progress * span)

    if chosen.name == "sgd":
        groups = {True: (1.0, chosen.momentum), False: (chosen.new_layers, chosen.momentum)}
        return optim.SGD(rate, lambda path: groups["backbone" in path], chosen.decay)
    known: dict[str, Callable] = {
        name.lower(): kind
        for name, kind in vars(keras.optimizers).items()
        if inspect.isclass(kind) and issubclass(kind, keras.optimizers.Optimizer)
    }
    if chosen.name not in known:
        raise ValueError(f"unknown optimizer {chosen.name!r}{near(chosen.name, known)}")
    if chosen.new_layers != 1.0:
        raise ValueError(f"optimizer.new_layers needs optimizer.name=sgd: {chosen.name} has no groups")
    return known[chosen.name](rate, weight_decay=chosen.decay or None)


def method(config: ConfigDict, of: domains.Task | None = None) -> step.Method:
    """The method, compiled, ready to `fit`; its initial weights follow from config.seed."""
    if config.steps < 1:
        raise ValueError(f"steps={config.steps}: a run needs at least one step")
    if config.segment < 1:
        raise ValueError(f"segment={config.segment}: a segment needs at least one step")
    of = of or task(config)
    keras.utils.set_random_seed(config.seed)
    seams = {}
    if config.weigher:
        seams["weigh"] = functools.partial(
            resolve(config.weigher, "weighers"), **_known(config.weigher_options, config.weigher, "weighers")
        )
    if config.combiner:
        kind = resolve(config.combiner, "combiners")
        seams["combine"] = kind(**_known(config.combiner_options, config.combiner, "combiners"))
    made = resolve(config.method, "methods")(
        network(config, of),
        **seams,
        steps=config.steps,
        segment=config.segment,
        passes=passes(config.passes, of.streams),
        **config.options.to_dict(),
    )
    per = min(config.steps_per_execution, config.segment)
    made.compile(optimizer(config, made), jit_compile=config.jit, steps_per_execution=per)
    return made


def _known(options: ConfigDict, name: str, package: str) -> dict:
    known = defaults(resolve(name, package))
    for key in options:
        if key not in known:
            raise ValueError(f"{name} has no option {key!r}{near(key, known)}")
    return options.to_dict()


def streams(config: ConfigDict, of: domains.Task | None = None) -> pipeline.Streams:
    """What `method.fit` takes."""
    of = of or task(config)
    options = {key: value for key, value in config.augment.items() if key != "name"}
    change = functools.partial(resolve(f"tfuda.data.augment:{config.augment.name}", "data"), **options)
    batch = {name: share_out(config.batch, name, domain) for name, domain in of.streams.items()}
    return pipeline.Streams(of.streams, batch, config.seed, None if change.func is augment.none else change)


def share_out(batch: int, name: str, domain: domains.Domain) -> int:
    """Images of a stream in the global batch: `batch`, or as many shots as there are, in equal shares."""
    replicas = ops.replicas()
    if batch % replicas:
        raise ValueError(f"batch={batch} does not divide into {replicas} equal shares, one for each device")
    if name != "target_labelled":
        return batch
    count = min(batch, len(domain)) // replicas * replicas
    if not count:
        raise ValueError(f"{len(domain)} labelled target images are too few for {replicas} devices")
    return count
