"""Configure MNIST → MNIST-M (Ganin et al. 2016): ten digits, in MNIST-M blended with photographs.

    python run/train.py --config=configs/mnist.py:dann --config.root=/data/mnist --workdir=runs/mnist
    python run/benchmark.py --table=daaa.1 --config.root=/data/mnist --workdir=runs/daaa1

Tables and figures of the papers, each trained whole by one command (tfuda/studies/paper_tables.toml):

    --table=daaa.1                 MNIST to MNIST-M

Cells, with table, row and average as printed; a table of one task has that task's number:

    source_only              daaa.1 CNN, S 45.6
    dann                     daaa.1 RevGrad, S + T 81.5
    daaa[parts=source_as_target;trade_offs.attention=0]
                             daaa.1 CNN, T_f 75.0
    daaa[parts=source+source_as_target;trade_offs.attention=0]
                             daaa.1 CNN, S + T_f 78.5
    daaa[parts=source+source_as_target]
                             daaa.1 CNN + L^AT, S + T_f 85.7
    daaa[trade_offs.attention=0]
                             daaa.1 Ours wo (L^AT) 93.5
    daaa                     daaa.1 Ours w (L^AT) 95.6

`root` holds mnist.npz (or the idx files, or a TensorFlow Datasets folder) and the archive of MNIST-M;
--config.photographs=FOLDER instead makes MNIST-M from any photographs, by the published rule. The network is DAAA's:
four convolutions, of which the last is the classifier, with Adam at 1e-3, as in DAAA section 4.2. The number of steps
is our choice.
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
    config.steps, config.segment, config.batch = 20_000, 500, 64
    config.network.name = "mnist"
    config.optimizer.name = "adam"
    config.optimizer.rate = 1e-3
    defaults.put_settings(config)
    return config
