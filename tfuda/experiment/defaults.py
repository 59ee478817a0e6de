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
    config.on_bad_image = "error"  # files that cannot be read: error, or skip to leave them out
    config.cache = ""  # folder for copies shrunk to view.resize, where decoding is the bottleneck
    config.steps = 1000  # training steps
    config.segment = 100  # steps between two evaluations, and two checkpoints
    config.steps_per_execution = 10  # steps that TensorFlow runs between two returns to Python
    # what chooses the checkpoint to export: last, a validator (tfuda/evaluation/validators.py), package.module:name
    config.select = "corrc"
    # validators that are logged, joined by commas: cheap, all (with dear ones, at more passes), or single names
    config.validators = "cheap"
    config.batch = 32  # images of every stream in a step, over all replicas
    config.batches = ConfigDict(  # images of one stream in a step; 0 for `batch`
        {
            "source": 0,  # labelled images of the source
            "target": 0,  # unlabelled images of the target
            "target_labelled": 0,  # the shots
        }
    )
    # streams that share a pass: separate, joint, or groups as "source+target_labelled,target"
    config.passes = "separate"
    config.view = ConfigDict(  # how a picture of any size becomes an image: tfuda/data/views.py
        {
            "resize": 0,  # side to which pictures are shrunk first
            "size": 0,  # side of the network's images; 0 for the pictures as they are, all of one size
            "train": "crop",  # what training takes of a picture: crop, resized_crop or center
            "flip": False,  # True: half of the training pictures are mirrored
            "test": "center",  # what evaluation takes of a picture: center, or the mean over ten crops
        }
    )
    config.views = -1  # views of each picture, drawn once for frozen stages; -1 for new ones in each step
    config.views_precision = "float16"  # how the results of frozen stages are kept: float16 or float32
    config.views_room = 20.0  # GB of disk for the results of frozen stages; those unused for longest are deleted
    config.samplers = ConfigDict(  # which images make a batch: tfuda/data/samplers.py
        {
            "source": "uniform",  # uniform, balanced over classes, per_domain, padded, or package.module:name
            "target": "uniform",  # uniform, balanced over predicted classes, or oracle: by labels, an upper bound
        }
    )
    config.beliefs = ConfigDict(  # pseudo-labels of the target: tfuda/core/pseudo_labels.py
        {
            "rate": 1.0,  # weight of the newest prediction in the running mean; 1 for that prediction alone
            "fade": 500,  # step from which the pseudo-labels of earlier rounds (`prior`) have no weight
            "scale": 1.0,  # factor on those of earlier rounds; 10 in BIWAA's code
        }
    )
    config.prior = ""  # .npz file with the pseudo-labels of earlier rounds
    config.teacher = (
        ""  # folder of a source_only run, for methods that train with one: tfuda/experiment/prerequisites.py
    )
    config.rounds = ConfigDict(  # run/rounds.py, which trains again with the predictions of earlier rounds
        {
            "rate": 0.2,  # weight of the newest round in the mean of all rounds' predictions
            "average": "normalised",  # normalised weights, or plain: the first round keeps what is left
            "index": 0,  # number of this round, which run/rounds.py sets
        }
    )
    config.augment = ConfigDict(  # augmentation of training batches: tfuda/data/augment.py
        {
            "name": "none",  # none, shift, or package.module:name
        }
    )
    config.network = ConfigDict(  # backbone and bottleneck: tfuda/networks
        {
            "name": "small",  # a module of tfuda.networks (resnet50: with its depth), or package.module:name
            "bottleneck": 0,  # units of a layer between backbone and head; 0 for none
            "initial": "kaiming",  # initial weights of bottleneck and head: kaiming or xavier
        }
    )
    config.network.neck = "linear"  # kind of bottleneck: tfuda/networks/heads.py
    config.network.frozen = "0"  # so many first stages, or all, do not learn, nor does their batch norm
    config.network.synchronised = False  # True: batch norm over all devices; False: on each alone, as in PyTorch
    config.network_options = ConfigDict()  # keyword arguments of the backbone, as {"unbiased": False} of a ResNet
    config.weights = ""  # file of pretrained weights, the word imagenet, or the folder of a run to start from
    config.mean_class = False  # True: report accuracy as the mean over classes
    config.deliver = False  # True: end with an exported model and predictions for the target
    config.optimizer = ConfigDict(  # updates of the weights: tfuda/core/optimizers.py
        {
            "name": "sgd",  # sgd, which is the library's own, or a name of keras.optimizers, as adam
            "rate": 1e-3,  # learning rate at the start
            "by_task": ConfigDict(),  # factor on the rate for single tasks, as {"A-D": 0.3}
            "gamma": 10.0,  # rate (1 + gamma progress)^-power
            "power": 0.75,  # of that schedule
            "per_step": False,  # True: progress is counted in steps, as in CDAN's and HDA's code
            "momentum": 0.9,  # of everything but the backbone
            "backbone_momentum": 0.9,  # of the backbone
            "nesterov": True,  # False: plain momentum
            "decay": 0.0,  # L2 in the gradient, on every variable
            "new_layers": 1.0,  # factor on the rate of everything but the backbone
            "accumulate": 1,  # batches whose mean gradient makes one update, for GPUs with little memory
        }
    )
    config.pairs = ConfigDict(  # CycleGAN's training, run/pair.py: tfuda/experiment/translated_pairs.py
        {
            "folder": "",  # folder of the pairs, for a method that needs pairs: tfuda/experiment/prerequisites.py
            "steps": 200_000,  # training steps of the generators
            "segment": 2000,  # steps between two checkpoints, and two sheets of samples
            "batch": 1,  # images of each domain in a step, over all replicas
            "rate": 2e-4,  # Adam's learning rate, which falls to 0 in the second half
            "width": 64,  # channels of the first layer of generators and discriminators
            "blocks": 0,  # residual blocks; 0 for 9 at sizes from 256 on, and 6 below
            "seeing": False,  # True: the generators' last convolution also gets the original picture
            "layers": 0,  # discriminators' layers of stride 2; 0 for the largest patch that fits
            "cycle": 10.0,  # factor on the cycle loss: there and back gives the picture again
            "identity": 0.0,  # factor on the identity loss, 5 in CycleGAN's code; DAAA's eq. 3 has no such term
            "pool": 50,  # earlier translations from which the discriminators' are drawn; 0 for the newest alone
            "size": 0,  # side of the pictures; 0 for view.resize, or as they are
            "resize": 0,  # random crops are cut out of this side; 0 for no crops
            "flip": False,  # True: half of the pictures are mirrored
            "source_as_target": "",  # folder of translations that another tool made of the source
            "target_as_source": "",  # folder of translations that another tool made of the target
        }
    )
    config.precision = "float32"  # of the network: float32, bfloat16 or float16 (tfuda/core/precision.py)
    config.on_nan = "stop"  # a loss or gradient that is not finite: stop, or skip the step (tfuda/core/nonfinite.py)
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
