"""The papers' recipes: what the files of configs/ share. They are those of the released codes, not ours.

    toalign   ToAlign's repository (source-only, DANN, DANNP, ToAlign): rate (1 + 10 p)^-0.75 over the run, decay
              5e-4, random crop, one centre crop in evaluation, no bottleneck
    cdan      CDAN's: rate (1 + 0.001 i)^-0.75 by steps, decay 1e-3, bottleneck 256, random resized crop, ten crops,
              the reversal's ramp over 10000 steps, one ahead
    hda       HDA's: rate, decay and ramp as CDAN's, views and network as ToAlign's
    gvb       GVB's: as HDA's, 8004 steps
    metaalign MetaAlign's: as GVB's, 10002 steps of 24 images, both domains in one pass, the task in one of its own
    biwaa     BIWAA's: as CDAN's with a ramp over 20000 steps, 5004 steps, balanced source batches, beliefs at .9
    afn       AFN's: constant rate, the backbone without momentum, 32 images, an embedding of 1000
    gsda      as CDAN's for 10000 steps, balanced batches on both sides, one centre crop; most of it is not stated
    tada      as CDAN's for 10000 steps, momentum .95, rate (1 + 10 p)^-0.75, one centre crop
    daaa      JAN's rate (1 + 10 p)^-0.75, anew every 1000 steps, 60 images of 4 kinds; starts as the source network
    mada      as CDAN's for 10000 steps, one centre crop, as GSDA (our choice)
    symnets   SymNets': rate (1 + 10 p)^-0.75, decay 1e-4, 128 images of each domain, 200 epochs
    mme       MME's, and ENT's: rate (1 + 0.0001 i)^-0.75, decay 5e-4, 24 images, twice as many unlabelled ones
    dan, jan, adda, mcd, mdd, bsp, mcc, bnm, pada, iwan     tllib's: tfuda/experiment/recipes_tllib.py

Which one follows from the method (with `+metaalign`, from that; `dann+biwaa` trains as BIWAA's code), or stands
behind an @: "hda+toalign@hda". A regulariser brings its own recipe where it is the paper: to the method that it
stands on, to DANN, CDAN and CDAN+E, where there is no further seam ("mcc", "dann+bsp", "cdane+mcc"). To any other
cell it is added, and the recipe stays: "hda+toalign+mcc" trains as "hda+toalign". PADA's is that of the method
`pada`; `dann[pada=True]`, the same game, trains as DANN.

HDA and ToAlign on it are by default as ToAlign's repository trains them, on equal terms: whether its paper's rows of
HDA were run there or quoted cannot be told (docs/methods/adversarial.md#hda-in-toalign), but for VisDA's, which
HDA's own code gave.

What a cell says in brackets stands, whatever its recipe or data set would have. New layers learn ten times faster
than the backbone, but in AFN's and MCD's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from ml_collections import ConfigDict

from tfuda.experiment import cells, defaults, recipes_tllib
from tfuda.names import near, resolve

BY_METHOD = {"cdan": "cdan", "cdane": "cdan", "gvb": "gvb", "mstn": "biwaa", "afn": "afn"}
BY_METHOD |= {"gsda": "gsda", "tada": "tada", "daaa": "daaa", "ent": "mme"}
BARE = ("source_only", "dann", "cdan", "cdane")  # methods that a regulariser makes a paper's of
SHAPES = ("temperature", "factor", "margin", "step_size")  # options that a search tries beside the trade-offs


def name(cell: str) -> str:
    """Of the recipe that trains a cell: what stands behind its @, or the method's."""
    text, _, chosen = cell.partition("@")
    if chosen and chosen not in RECIPES:
        raise ValueError(f"unknown recipe {chosen!r} of {cell!r}{near(chosen, RECIPES)}")
    made = cells.parse_cell(text)
    bare = made.method in BARE and not made.weigher
    weighed = "biwaa" if made.weigher == "biwaa" else "toalign"
    own = made.method if made.method in RECIPES and made.method != "hda" else weighed
    wanted = (chosen, made.combiner, made.regulariser if bare else "", BY_METHOD.get(made.method, own))
    return next(recipe for recipe in wanted if recipe in RECIPES)


def paper(cell: str, data: str, depth: int = 50) -> ConfigDict:
    """A config on a catalogue set, with a ResNet on crops of 224, as the paper of the cell's method trains it."""
    text, at, chosen = cell.partition("@")
    config = defaults.default_config(text)
    config.cell += at + chosen  # tells the runs of a benchmark apart
    config.data = data
    config.view = {"resize": 256, "size": 224, "train": "crop", "flip": True, "test": "center"}
    config.network.name = f"resnet{depth}"
    config.network_options = {"frozen": 0, "unbiased": False}
    config.optimizer.rate = 1e-3
    config.optimizer.new_layers = 10.0
    config.steps_per_execution = 1
    config.batch = 36
    RECIPES[name(cell)](config)
    if config.method == "daaa":
        config.batch = 60  # of all four streams, whatever trains them
    return config


def toalign(config: ConfigDict) -> None:
    """Set what ToAlign's repository trains with: docs/methods/adversarial.md#toalign."""
    config.steps, config.segment = 8000, 500
    config.optimizer.decay = 5e-4
    if config.method == "dann":
        put(config, {"trade_offs.domain": 0.1})  # UDA_OH_DANN.yaml


def cdan(config: ConfigDict) -> None:
    """Set what CDAN's code trains with: docs/methods/adversarial.md#cdan."""
    config.steps, config.segment = 100_000, 500
    config.view.train, config.view.test = "resized_crop", "ten"
    config.network.bottleneck, config.network.initial = 256, "xavier"
    by_steps(config)


def hda(config: ConfigDict) -> None:
    """Set what HDA's code trains with: docs/methods/adversarial.md#hda-recipe."""
    config.steps, config.segment = 6002, 500
    by_steps(config)


def gvb(config: ConfigDict) -> None:
    """Set what GVB's code trains with: docs/methods/adversarial.md#gvb."""
    config.steps, config.segment = 8004, 500
    by_steps(config)


def metaalign(config: ConfigDict) -> None:
    """Set what MetaAlign's code trains with: docs/methods/adversarial.md#metaalign."""
    config.steps, config.segment, config.batch = 10_002, 500, 24
    config.passes = "joint"
    put(config, {"task_alone": True}, "combiner_options")
    by_steps(config)


def biwaa(config: ConfigDict) -> None:
    """Set what BIWAA's code trains with: docs/methods/biwaa.md#biwaa-recipe.

    MSTN on a ResNet trains like it, with the newest predictions for pseudo-labels.
    """
    cdan(config)
    config.steps, config.segment = 5004, 500
    config.samplers.source = "balanced"
    if config.weigher == "biwaa":
        config.beliefs.rate = 0.9
    put(config, {"ramp_steps": 20_000, "epsilon": 0.0, "initial": "xavier"})


def afn(config: ConfigDict) -> None:
    """Set what AFN's code trains with: docs/methods/biwaa.md#afn.

    The code counts epochs, 100 over Office-31's target: 1500 to 8800 steps.
    """
    config.steps, config.segment, config.batch = 8800, 400, 32
    config.network.bottleneck = 1000
    config.optimizer.update(gamma=0.0, decay=5e-4, new_layers=1.0, backbone_momentum=0.0, nesterov=False)


def gsda(config: ConfigDict) -> None:
    """Set a recipe for GSDA: docs/methods/gsda.md#gsda-recipe.

    The network and re-sampling are the paper's, the rest its neighbours'.
    """
    cdan(config)
    config.steps, config.segment = 10_000, 500
    config.view.test = "center"
    config.samplers.update(source="balanced", target="balanced")
    put(config, {"initial": "xavier"})


def tada(config: ConfigDict) -> None:
    """Set a recipe for TADA: docs/methods/tada.md#tada-recipe."""
    cdan(config)
    config.steps, config.segment = 10_000, 500
    config.view.test = "center"
    put(config, {"ramp_ahead": 0, "ramp_steps": 0})
    config.optimizer.update(momentum=0.95, backbone_momentum=0.95, gamma=10.0, per_step=False, decay=5e-4)


def daaa(config: ConfigDict) -> None:
    """Set a recipe for DAAA: docs/methods/daaa.md#daaa-recipe; 15 posteriors are our number."""
    toalign(config)
    config.steps, config.segment = 15_000, 1000
    put(config, {"copy": True, "wait": False})


def mada(config: ConfigDict) -> None:
    """Set a recipe for MADA: docs/methods/comparison.md#mada; it is our choice, GSDA's without its sampling."""
    cdan(config)
    config.steps, config.segment = 10_000, 500
    config.view.test = "center"


def symnets(config: ConfigDict) -> None:
    """Set what SymNets' code trains with: docs/methods/comparison.md#symnets.

    Epochs are the larger domain's: at most 200 x (2817 // 128 = 22) = 4400 steps on Office-31.
    """
    config.steps, config.segment, config.batch = 4400, 440, 128
    config.optimizer.decay = 1e-4


def mme(config: ConfigDict) -> None:
    """Set what MME's code trains with: docs/methods/comparison.md#mme.

    Batches of unlabelled images are twice as large, as their loader has it.
    """
    config.steps, config.segment, config.batch = 50_000, 1000, 24
    config.optimizer.update(gamma=1e-4, per_step=True, decay=5e-4)
    if config.method in ("ent", "mme"):  # others may want as many of each
        config.batches.target = 48


def tllib(name: str, config: ConfigDict) -> None:
    """Set what the table of tfuda/experiment/recipes_tllib.py has by that name: docs/methods/comparison.md#tllib."""
    own = recipes_tllib.TABLE[name]
    config.steps, config.segment, config.batch, config.passes = own.steps, 500, own.batch, "joint"
    config.view.train = "resized_crop"
    config.network.bottleneck = own.bottleneck
    if config.method != "afn":  # whose bottleneck is its own
        config.network.neck = own.neck
    config.optimizer.update(rate=own.rate, gamma=own.gamma, per_step=True, decay=own.decay)
    put(config, {"ramp_steps": 10_000, **({"ramp_height": own.height} if own.height else {})})
    if name == "mcd":
        config.optimizer.update(new_layers=1.0, backbone_momentum=0.0, nesterov=False)


def by_steps(config: ConfigDict) -> None:
    """What CDAN's, HDA's and GVB's codes share: rate and ramp know nothing of the run's length."""
    config.optimizer.gamma, config.optimizer.per_step, config.optimizer.decay = 1e-3, True, 1e-3
    put(config, {"ramp_ahead": 1, "ramp_steps": 10_000})


def put(config: ConfigDict, options: dict, place: str = "options") -> None:
    """Set those options, as "trade_offs.domain", that the part of the cell has, and that its brackets do not say."""
    said = cells.options_in_brackets(config.cell).get(place, ())
    for name, value in options.items():
        tree, last = _at(config, place, name)
        if last in tree and name not in said:
            tree[last] = value


def _at(config: ConfigDict, place: str, name: str) -> tuple[ConfigDict, str]:
    """Where an option, as "trade_offs.domain", stands: the tree (empty where the cell has none) and the key."""
    term, _, last = name.rpartition(".")
    return (config[place].get(term, ConfigDict()) if term else config[place]), last


def from_scratch(config: ConfigDict) -> None:
    """What small networks need that start from random weights, at a rate of 0.05.

    Found on the digits' R-S, seed 0: a term that rewards sure answers, or heads that agree, wins before any answer
    is right. Accuracy there with the papers' own value and with this: MCC 20.8 and 97.3 %, BNM 17.3 and 95.7,
    SymNets' entropy 9.3 and 96.7, MCD 11.0 and 97.2 (linear heads without dropout, one turn), DAN 12.2 and 93.0 (all
    pairs). At T = 0.05 MME's and ENT's cosine heads do not even learn the source at this rate.
    """
    put(config, {"hidden": 256})
    if config.method in ("ent", "mme"):
        put(config, {"temperature": 0.5})
    if config.method == "afn":
        put(config, {"trade_offs.norm": 0.001})  # times the rate of 0.05 what 0.05 is times the paper's 0.001
    if config.regulariser in ("mcc", "bnm"):
        put(config, {"trade_off": 0.3}, "regulariser_options")
    if config.method == "symnets":
        put(config, {"trade_offs.entropy": 0.1})
    if config.method == "mcd":
        put(config, {"trade_offs.discrepancy": 1.0, "turns_of_backbone": 1, "depth": 0, "dropout": 0.0})
    if config.method == "dan":
        put(config, {"estimator": "quad"})


RECIPES: dict[str, Callable[[ConfigDict], None]] = {
    "toalign": toalign,
    "cdan": cdan,
    "hda": hda,
    "gvb": gvb,
    "metaalign": metaalign,
    "biwaa": biwaa,
    "afn": afn,
    "gsda": gsda,
    "tada": tada,
    "daaa": daaa,
    "mada": mada,
    "symnets": symnets,
    "mme": mme,
    **{name: functools.partial(tllib, name) for name in recipes_tllib.TABLE},
}


def takes_shots(config: ConfigDict) -> bool:
    """Has the method a use for labelled target images?"""
    return "shots" not in resolve(config.method, "methods")._refuses


def sweep(hp, config: ConfigDict) -> None:
    """keras-tuner's space; the defaults are the config's."""
    config.optimizer.rate = hp.Float("optimizer.rate", 1e-4, 1e-2, sampling="log", default=config.optimizer.rate)
    trade_offs(hp, config)


def trade_offs(hp, config: ConfigDict) -> None:
    """Into keras-tuner's space: trade-offs but the task's from a tenth to twice, SHAPES from a quarter to 4 times.

    What the cell says in brackets stands, and is not searched.
    """
    said = cells.options_in_brackets(config.cell)
    weighed = [name for name in config.options.get("trade_offs", ()) if name != "task"]
    places = [("options", f"trade_offs.{name}", 1 / 10, 2.0) for name in weighed]
    places.append(("regulariser_options", "trade_off", 1 / 10, 2.0))
    for place in ("options", "weigher_options", "regulariser_options"):
        places += [(place, name, 1 / 4, 4.0) for name in SHAPES]
    for place, name, low, high in places:
        tree, last = _at(config, place, name)
        default = tree.get(last)
        free = isinstance(default, float) and default  # no schedule, and no term that is only looked at
        if free and name not in said.get(place, ()):
            tree[last] = hp.Float(f"{place}.{name}", low * default, high * default, sampling="log", default=default)
