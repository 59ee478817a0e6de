"""Set the papers' recipes, those of the released codes. p: share of the steps done, i: number of steps done.

    toalign   ToAlign's repository (source-only, DANN, DANNP, ToAlign): rate (1 + 10 p)^-0.75 over the run, decay
              5e-4, random crop, one centre crop in evaluation, no bottleneck
    cdan      CDAN's: rate (1 + 0.001 i)^-0.75 by steps, decay 1e-3, bottleneck 256, random resized crop, ten crops,
              the reversal's ramp over 10000 steps, one ahead
    hda       HDA's: rate, decay and ramp as CDAN's, views and network as ToAlign's
    gvb       GVB's: as HDA's, 8004 steps
    metaalign MetaAlign's: as GVB's, 10002 steps of 24 images, both domains in one pass, the task in its own
    biwaa     BIWAA's: as CDAN's with a ramp over 20000 steps, 5004 steps; `mstn` on a ResNet trains alike
    afn       AFN's: constant rate, the backbone without momentum, 32 images, an embedding of 1000
    gsda      as CDAN's for 10000 steps, balanced batches on both sides, one centre crop; most of it is not stated
    tada      as CDAN's for 10000 steps, momentum .95, rate (1 + 10 p)^-0.75, one centre crop
    daaa      JAN's rate (1 + 10 p)^-0.75, restarted every 1000 steps, 60 images of 4 kinds; starts as the teacher
    mada      as CDAN's for 10000 steps, one centre crop, as GSDA (our choice)
    symnets   SymNets': rate (1 + 10 p)^-0.75, decay 1e-4, 128 images of each domain, 200 epochs
    mme       MME's, and ENT's: rate (1 + 0.0001 i)^-0.75, decay 5e-4, 24 images, twice as many unlabelled ones
    dan, jan, adda, mcd, mdd, bsp, mcc, bnm, pada, iwan     tllib's: tfuda/experiment/recipes_tllib.py

A name behind an @ chooses the recipe: "hda+toalign@hda". Otherwise the recipe follows from the method; with
`+metaalign` the recipe is MetaAlign's, and `dann+biwaa` trains as BIWAA's code. A regulariser brings its own recipe
to source_only, DANN, CDAN, CDAN+E without a weigher ("mcc", "dann+bsp", "cdane+mcc"). Any other cell keeps its recipe
when a regulariser is added: "hda+toalign+mcc" trains as "hda+toalign". The recipe `pada` is for the method `pada`;
`dann[pada=True]`, the same adversarial loss, trains as DANN.

HDA and HDA+ToAlign train by default as ToAlign's repository trains both, on equal terms. ToAlign's paper does not say
whether its rows of HDA were run there or quoted (docs/methods/adversarial.md#hda-in-toalign), except VisDA's row:
that comes from HDA's own code.

A cell's options in brackets take precedence over the recipe and the data set. New layers learn ten times faster than
the backbone, except in the recipes of AFN and MCD.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from ml_collections import ConfigDict

from tfuda.experiment import cells, defaults, recipes_tllib
from tfuda.experiment.cells import put
from tfuda.names import near, resolve

BY_METHOD = {"cdane": "cdan", "mstn": "biwaa", "ent": "mme"}
BARE = ("source_only", "dann", "cdan", "cdane")  # methods to which a regulariser brings its paper's recipe
SHAPES = ("temperature", "factor", "margin", "step_size")  # options that a search varies beside the trade-offs


def name(cell: str) -> str:
    """Return the name of the recipe that trains a cell: the name behind the cell's @, or the method's recipe."""
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
    """Return the config of a cell ("hda+toalign@hda") on a catalogue set: a ResNet on crops of 224, as its paper."""
    text, at, chosen = cell.partition("@")
    config = defaults.default_config(text)
    config.cell += at + chosen  # so that runs of a benchmark have different folders
    config.data = data
    config.view = {"resize": 256, "size": 224, "train": "crop", "flip": True, "test": "center"}
    config.network.name = f"resnet{depth}"
    config.network_options = {"unbiased": True}  # as PyTorch, in which all these codes are written
    config.optimizer.rate = 1e-3
    config.optimizer.new_layers = 10.0
    config.steps_per_execution = 1
    config.batch = 36
    config.pairs.update(size=256, resize=286, flip=True)  # as CycleGAN's code
    RECIPES[name(cell)](config)
    defaults.put_settings(config)
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

    Balanced batches and aggregated labels belong to the cell `mstn+biwaa` alone (tfuda/experiment/defaults.py).
    BIWAA's Table 4 and Figure 4 add nothing but the weights to DANN.
    """
    cdan(config)
    config.steps, config.segment = 5004, 500
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

    The network and the re-sampling are the paper's; the paper does not state the rest, which is from similar methods.
    """
    cdan(config)
    config.steps, config.segment = 10_000, 500
    config.view.test = "center"
    config.samplers.update(source="balanced", target="balanced")
    put(config, {"initial": "xavier", "sure": 0.9})


def tada(config: ConfigDict) -> None:
    """Set a recipe for TADA: docs/methods/tada.md#tada-recipe."""
    cdan(config)
    config.steps, config.segment = 10_000, 500
    config.view.test = "center"
    put(config, {"ramp_ahead": 0, "ramp_steps": 0})
    config.optimizer.update(momentum=0.95, backbone_momentum=0.95, gamma=10.0, per_step=False, decay=5e-4)


def daaa(config: ConfigDict) -> None:
    """Set a recipe for DAAA: docs/methods/daaa.md#daaa-recipe; its 15 posteriors are our choice."""
    toalign(config)
    config.steps, config.segment = 15_000, 1000
    put(config, {"copy": True, "wait": False})


def mada(config: ConfigDict) -> None:
    """Set a recipe for MADA, our choice: GSDA's without the balanced batches (docs/methods/comparison.md#mada)."""
    cdan(config)
    config.steps, config.segment = 10_000, 500
    config.view.test = "center"


def symnets(config: ConfigDict) -> None:
    """Set what SymNets' code trains with: docs/methods/comparison.md#symnets.

    An epoch is one pass over the larger domain: at most 200 x (2817 // 128 = 22) = 4400 steps on Office-31.
    """
    config.steps, config.segment, config.batch = 4400, 440, 128
    config.optimizer.decay = 1e-4


def mme(config: ConfigDict) -> None:
    """Set what MME's code trains with: docs/methods/comparison.md#mme.

    Batches of unlabelled images are twice as large, as in MME's loader.
    """
    config.steps, config.segment, config.batch = 50_000, 1000, 24
    config.optimizer.update(gamma=1e-4, per_step=True, decay=5e-4)
    if config.method in ("ent", "mme"):  # other methods may need equal batches
        config.batches.target = 48


def tllib(name: str, config: ConfigDict) -> None:
    """Set a recipe from the table of tfuda/experiment/recipes_tllib.py: docs/methods/comparison.md#tllib."""
    own = recipes_tllib.TABLE[name]
    config.steps, config.segment, config.batch, config.passes = own.steps, 500, own.batch, "joint"
    config.view.train = "resized_crop"
    config.network.bottleneck = own.bottleneck
    if config.method != "afn":  # AFN has a bottleneck of its own
        config.network.neck = own.neck
    config.optimizer.update(rate=own.rate, gamma=own.gamma, per_step=True, decay=own.decay)
    put(config, {"ramp_steps": 10_000, **({"ramp_height": own.height} if own.height else {})})
    if name == "mcd":
        config.optimizer.update(new_layers=1.0, backbone_momentum=0.0, nesterov=False)


def by_steps(config: ConfigDict) -> None:
    """Set what CDAN's, HDA's and GVB's codes share: rate and ramp do not depend on the run's length."""
    config.optimizer.gamma, config.optimizer.per_step, config.optimizer.decay = 1e-3, True, 1e-3
    put(config, {"ramp_ahead": 1, "ramp_steps": 10_000})


def from_scratch(config: ConfigDict) -> None:
    """Set what small networks need that start from random weights at a rate of 0.05.

    On the digits' R-S, seed 0, a term that rewards confident predictions or agreeing heads dominates before any
    prediction is right. Accuracy with the papers' value and with the value here: MCC 20.8 and 97.3 %, BNM 17.3 and
    95.7, SymNets' entropy 9.3 and 96.7, MCD 11.0 and 97.2 (linear heads without dropout, one turn), DAN 12.2 and 93.0
    (all pairs). At T = 0.05 MME's and ENT's cosine heads do not even learn the source at this rate.
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
    """Return whether the method uses labelled target images."""
    return "shots" not in resolve(config.method, "methods").refuses


def sweep(hp, config: ConfigDict) -> None:
    """Define keras-tuner's search space: the rate and the trade-offs, with the config's values as defaults."""
    config.optimizer.rate = hp.Float("optimizer.rate", 1e-4, 1e-2, sampling="log", default=config.optimizer.rate)
    trade_offs(hp, config)


def trade_offs(hp, config: ConfigDict) -> None:
    """Add trade-offs (a tenth to twice, without the task's) and SHAPES (a quarter to 4 times) to keras-tuner's space.

    Options in the cell's brackets are not searched.
    """
    said = cells.options_in_brackets(config.cell)
    weighed = [name for name in config.options.get("trade_offs", ()) if name != "task"]
    places = [("options", f"trade_offs.{name}", 1 / 10, 2.0) for name in weighed]
    places.append(("regulariser_options", "trade_off", 1 / 10, 2.0))
    for place in ("options", "weigher_options", "regulariser_options"):
        places += [(place, name, 1 / 4, 4.0) for name in SHAPES]
    for place, name, low, high in places:
        tree, last = cells.option_at(config, place, name)
        default = tree.get(last)
        free = isinstance(default, float) and default  # neither a schedule nor a term that is only logged
        if free and name not in said.get(place, ()):
            tree[last] = hp.Float(f"{place}.{name}", low * default, high * default, sampling="log", default=default)
