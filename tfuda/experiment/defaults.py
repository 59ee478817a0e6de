"""Define every key of a config, with its default."""

from __future__ import annotations

import functools

from ml_collections import ConfigDict

from tfuda.experiment.cells import parse_cell
from tfuda.names import resolve


def default_config(text: str) -> ConfigDict:
    """Return the default config of a cell, with every key; the file of a benchmark changes some of the values."""
    config = parse_cell(text)
    config.seed = 0  # seed of weights, batches and a protocol's draws: shots, tails, pictures held out
    config.data_seed = 0  # seed of data that are drawn, as the digits; the same data for every `seed`
    config.data = ""  # a data set of the catalogue, a module of tfuda.data, or package.module:function
    config.root = ""  # folder of the data set
    config.lists = ""  # folder of image lists, for config.data=lists
    config.task = ""  # SOURCE-TARGET
    config.shots = 0  # labelled target images of each class
    config.source_classes = 0  # the source keeps its first N classes; 0 for all
    config.target_classes = 0  # the target keeps its first N classes; 0 for all
    config.partial = ""  # name of a part of the classes, from the catalogue; the target has only these classes
    config.imbalance = ""  # source or target: the training set that gets a long tail
    config.tail = 0.1  # share of images that the last class keeps in a long tail
    config.holdout = 0.0  # share of each source class kept out of training, where the data have no test split
    config.source_test = 2000  # evaluation takes at most so many source images; 0 for all
    config.on_bad_image = "error"  # or skip: leave out files that cannot be read
    config.cache = ""  # folder for copies shrunk to view.resize, where decoding is the bottleneck
    config.steps = 1000
    config.segment = 100  # steps between two evaluations, and two checkpoints
    config.steps_per_execution = 10
    # validator that chooses the checkpoint to export, or "last", or package.module:name: tfuda/evaluation/validators.py
    config.select = "corrc"
    # which validators are logged, joined by commas: cheap, all (with iwcv and dev, and one more pass), or single names
    config.validators = "cheap"
    config.batch = 32  # images of every stream in a step, over all replicas
    config.batches = ConfigDict(
        {"source": 0, "target": 0, "target_labelled": 0}
    )  # images of one stream in a step; 0 for `batch`
    config.passes = "separate"  # or joint, or groups of streams that share a pass: "source+target_labelled,target"
    config.view = ConfigDict({"resize": 0, "size": 0, "train": "crop", "flip": False, "test": "center"})
    config.views = -1  # views of each picture, drawn once for frozen stages; -1 for new ones in each step
    config.views_precision = "float16"  # or float32: how the results of frozen stages are kept
    config.views_room = 20.0  # GB of disk for the results of frozen stages; those unused for longest are deleted
    config.samplers = ConfigDict({"source": "uniform", "target": "uniform"})
    config.beliefs = ConfigDict(
        {"rate": 1.0, "fade": 500, "scale": 1.0}
    )  # pseudo-labels: tfuda/core/pseudo_labels.py
    config.prior = ""  # .npz file with the pseudo-labels of earlier rounds
    config.teacher = (
        ""  # folder of a source_only run, for methods that train with one: tfuda/experiment/prerequisites.py
    )
    config.rounds = ConfigDict(
        {"rate": 0.2, "average": "normalised", "index": 0}
    )  # run/rounds.py: tfuda/studies/rounds.py
    config.augment = ConfigDict({"name": "none"})
    config.network = ConfigDict({"name": "small", "bottleneck": 0, "initial": "kaiming"})
    config.network.neck = "linear"  # kind of bottleneck: tfuda/networks/heads.py
    config.network.frozen = "0"  # so many first stages, or all, do not learn, nor does their batch norm
    config.network.synchronised = False  # True: batch norm over all devices; False: on each device, as in PyTorch
    config.network_options = ConfigDict()
    config.weights = ""  # file of pretrained weights, or the word imagenet: tfuda/networks/weights/pretrained.py
    config.mean_class = False  # True: report accuracy as the mean over classes
    config.deliver = False  # True: end with an exported model and predictions for the target
    config.optimizer = ConfigDict(
        {
            "name": "sgd",
            "rate": 1e-3,
            "by_task": ConfigDict(),  # factor on the rate for a task
            "gamma": 10.0,  # rate (1 + gamma progress)^-power
            "power": 0.75,
            "per_step": False,  # True: progress is counted in steps, as in CDAN's and HDA's code
            "momentum": 0.9,
            "backbone_momentum": 0.9,
            "nesterov": True,
            "decay": 0.0,  # L2 in the gradient, on every variable
            "new_layers": 1.0,  # factor on the rate of everything but the backbone
            "accumulate": 1,  # batches whose mean gradient makes one update, for GPUs with little memory
        }
    )
    config.pairs = ConfigDict(  # run/pair.py: tfuda/experiment/translated_pairs.py
        {
            "folder": "",  # folder of the pairs, for a method that needs pairs: tfuda/experiment/prerequisites.py
            "steps": 200_000,
            "segment": 2000,
            "batch": 1,  # images of each domain in a step, over all replicas
            "rate": 2e-4,
            "width": 64,
            "blocks": 0,  # residual blocks; 0 for 9 at sizes from 256 on, and 6 below
            "seeing": False,  # True: the generators' last convolution also gets the original picture
            "layers": 0,  # discriminators' layers of stride 2; 0 for the largest patch that fits
            "cycle": 10.0,
            "identity": 0.0,  # 5 in CycleGAN's code; DAAA's eq. 3 has no such term
            "pool": 50,
            "size": 0,  # side of the pictures; 0 for view.resize, or as they are
            "resize": 0,  # random crops are cut out of this side; 0 for no crops
            "flip": False,
            "source_as_target": "",  # folder of translations that another tool made of the source
            "target_as_source": "",  # and of the target
        }
    )
    config.precision = "float32"  # or bfloat16, float16: tfuda/core/precision.py
    config.on_nan = "stop"  # or skip: tfuda/core/nonfinite.py
    config.jit = False  # compile by XLA: slower on CPU, and runs need not be bitwise identical
    put_settings(config)
    if (config.method, config.weigher) == ("mstn", "biwaa"):  # BIWAA itself, with all additions of its paper
        config.samplers.source, config.beliefs.rate = "balanced", 0.9
    return config


def put_settings(config: ConfigDict) -> None:
    """Set the keys that the method sets whatever the data, its `settings`; a config's file calls this last."""
    kind = resolve(config.method, "methods")
    for key, value in kind.settings.items():
        *path, last = key.split(".")
        place = functools.reduce(lambda tree, part: tree.get(part, ConfigDict()), path, config)
        if last not in place:
            raise ValueError(f"{kind.__name__}.settings names {key!r}, and a config has no such key")
        place[last] = value
