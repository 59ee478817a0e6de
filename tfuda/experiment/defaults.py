"""Every key of a config, with its default."""

from __future__ import annotations

from ml_collections import ConfigDict

from tfuda.experiment.cells import parse_cell


def default_config(text: str) -> ConfigDict:
    """Every key of a config, for the cell; a benchmark's file sets what is its own."""
    config = parse_cell(text)
    config.seed = 0  # of weights, batches and what a protocol draws: shots, tails, pictures held out
    config.data_seed = 0  # of data that are drawn, as the digits: one benchmark for every seed
    config.data = ""  # a data set of the catalogue, a module of tfuda.data, or package.module:function
    config.root = ""  # its folder
    config.lists = ""  # folder of image lists, for config.data=lists
    config.task = ""
    config.shots = 0
    config.source_classes = 0
    config.target_classes = 0
    config.partial = ""  # a named part of the classes, from the catalogue, that the target has
    config.imbalance = ""  # source or target: that training set gets a long tail
    config.tail = 0.1  # share of the last class's images that it keeps
    config.source_test = 2000  # at most so many source images are looked at in evaluation; 0 for all
    config.on_bad_image = "error"  # or skip
    config.cache = ""  # folder for copies shrunk to view.resize, where decoding is the bottleneck
    config.steps = 1000
    config.segment = 100  # steps between two evaluations, and two checkpoints
    config.steps_per_execution = 10
    config.select = (
        "corrc"  # the checkpoint to keep and export, by a validator, or "last": tfuda/evaluation/validators.py
    )
    config.validators = "cheap"  # which are logged; all: iwcv and dev too, each evaluation a pass longer
    config.batch = 32  # images of every stream in a step, over all replicas
    config.batches = ConfigDict({"source": 0, "target": 0, "target_labelled": 0})  # of one stream, where not 0
    config.passes = "separate"
    config.view = ConfigDict({"resize": 0, "size": 0, "train": "crop", "flip": False, "test": "center"})
    config.samplers = ConfigDict({"source": "uniform", "target": "uniform"})
    config.beliefs = ConfigDict(
        {"rate": 1.0, "fade": 500, "scale": 1.0}
    )  # pseudo-labels: tfuda/core/pseudo_labels.py
    config.prior = ""  # .npz of beliefs about the target's images by earlier rounds
    config.teacher = (
        ""  # folder of a source_only run, for methods that train with one: tfuda/experiment/prerequisites.py
    )
    config.rounds = ConfigDict(
        {"rate": 0.2, "average": "normalised", "index": 0}
    )  # run/rounds.py: tfuda/studies/rounds.py
    config.augment = ConfigDict({"name": "none"})
    config.network = ConfigDict({"name": "small", "bottleneck": 0, "initial": "kaiming"})
    config.network.neck = "linear"  # what the bottleneck is: tfuda/networks/heads.py
    config.network.synchronised = False  # batch norm over all devices, and not on each its own as in PyTorch
    config.network_options = ConfigDict()
    config.weights = ""  # file of pretrained weights, for networks that take one
    config.mean_class = False  # accuracy is reported as the mean over classes
    config.deliver = False  # end in an exported model and predictions for the target
    config.optimizer = ConfigDict(
        {
            "name": "sgd",
            "rate": 1e-3,
            "by_task": ConfigDict(),  # factor on the rate for a task
            "gamma": 10.0,  # rate (1 + gamma progress)^-power
            "power": 0.75,
            "per_step": False,  # True: progress is counted in steps, as CDAN's and HDA's code does
            "momentum": 0.9,
            "backbone_momentum": 0.9,
            "nesterov": True,
            "decay": 0.0,  # L2 in the gradient, on every variable
            "new_layers": 1.0,  # factor on the rate of everything but the backbone
            "accumulate": 1,  # batches whose mean gradient makes one update, for small cards
        }
    )
    config.pairs = ConfigDict(  # run/pair.py: tfuda/experiment/translated_pairs.py
        {
            "folder": "",  # of the pairs, for a method that trains on them: tfuda/experiment/prerequisites.py
            "steps": 200_000,
            "segment": 2000,
            "batch": 1,  # images of each domain in a step, over all replicas
            "rate": 2e-4,
            "width": 64,
            "blocks": 0,  # residual ones; 0 for 9 from 256 on and 6 below
            "seeing": False,  # the generators' last convolution sees the picture itself
            "layers": 0,  # of the discriminators, with stride 2; 0 for the largest patch that fits
            "cycle": 10.0,
            "identity": 5.0,
            "pool": 50,
            "size": 0,  # side of the pictures; 0 for view.resize, or as they are
            "resize": 0,  # a random crop of the size out of this; 0 for none
            "flip": False,
            "source_as_target": "",  # folder of pairs that another tool made, and
            "target_as_source": "",
        }
    )
    config.precision = "float32"  # or bfloat16, float16: tfuda/core/precision.py
    config.on_nan = "stop"  # or skip: tfuda/core/nonfinite.py
    config.jit = False  # by XLA: slower on CPU, and equal bits are not promised
    if config.method == "daaa":
        config.passes = "joint"
    if (config.method, config.weigher) == ("mstn", "biwaa"):  # BIWAA itself, with all that its paper adds
        config.samplers.source, config.beliefs.rate = "balanced", 0.9
    return config
