"""Configure MNIST → MNIST-M (Ganin et al. 2016): ten digits, in MNIST-M blended with photographs.

    python run/train.py --config=configs/mnist.py:dann --config.root=/data/mnist --workdir=runs/mnist

`root` holds mnist.npz (or the idx files, or a TensorFlow Datasets folder) and the archive of MNIST-M;
--config.photographs=FOLDER instead makes MNIST-M from any photographs, by the published rule. The network is DAAA's:
four convolutions, of which the last is the classifier, with Adam at 1e-3, as in DAAA section 4.2. That section
reports 45.6 for the source network and 95.6 for DAAA (`daaa`). The number of steps is our choice.
"""

from tfuda.experiment import defaults, recipes

TASKS = {"all": ("mnist-mnistm", "mnistm-mnist")}

sweep = recipes.sweep


def get_config(cell="dann"):
    """Return the config of a cell on MNIST → MNIST-M."""
    config = defaults.default_config(cell)
    config.data = "mnist"
    config.task = "mnist-mnistm"
    config.photographs = ""
    config.steps, config.segment, config.batch = 20_000, 1000, 64
    if config.method == "daaa":
        config.segment, config.batch, config.pairs.identity = 500, 60, 0.0
    config.network.name = "mnist"
    config.optimizer.name = "adam"
    config.optimizer.rate = 1e-3
    return config
