"""Unsupervised domain adaptation of image classifiers in TensorFlow and Keras.

Read `tfuda.core.method`, then `tfuda.methods.dann`, then `tfuda.weighers.toalign`.

    config = tfuda.get_config("digits:dannp+toalign")
    task = tfuda.build.task(config)
    method = tfuda.build.method(config, task)
    method.fit(tfuda.build.streams(config, task))
"""

from tfuda import startup

startup.check()
startup.import_quietly()

from tfuda.core import losses, ops, schedules  # noqa: E402
from tfuda.core import optimizers as optim  # noqa: E402
from tfuda.core.method import Method  # noqa: E402
from tfuda.evaluation import evaluate  # noqa: E402
from tfuda.experiment import build  # noqa: E402
from tfuda.experiment.shipped_configs import get_config  # noqa: E402
from tfuda.serving import export  # noqa: E402

__all__ = ["Method", "build", "evaluate", "export", "get_config", "losses", "ops", "optim", "schedules"]
__version__ = startup.VERSION
