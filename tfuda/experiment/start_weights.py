"""Start a run from the weights of another run, whose folder config.weights names.

The network and the method's further layers, such as discriminators, get the values at that run's end. The optimizer,
the step and all memories start anew. Both runs need the same classes, method, options and network; what learns of the
network (network.frozen), rates, steps and the view may differ.
"""

from __future__ import annotations

from ml_collections import ConfigDict

from tfuda.core.method import Method
from tfuda.data.tasks import Task
from tfuda.distributed import multi_host
from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir, restore


def start(config: ConfigDict, method: Method, task: Task) -> None:
    """Give a new method the weights of the run that config.weights names.

    Raises:
        ValueError: the folder holds no run with a checkpoint, or one with other layers.
    """
    workdir = Workdir(config.weights)
    own = workdir.config()
    own.weights = own.prior = own.cache = ""  # the checkpoint holds everything
    base = build.method(own, task)
    if not restore(workdir.checkpoints(base)):
        raise ValueError(f"--config.weights={config.weights} is the folder of a run without a checkpoint")
    old, new = ([v for layer in one.layers for v in layer.variables] for one in (base, method))
    if [v.shape for v in old] != [v.shape for v in new]:
        raise ValueError(
            f"--config.weights={config.weights} holds a run of {own.cell} with other layers than {config.cell}: "
            "start from a run of the same method, network and classes"
        )
    for mine, theirs in zip(new, old, strict=True):
        mine.assign(theirs.value)
    multi_host.share_variables(method.state())
