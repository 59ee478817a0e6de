"""Unsupervised domain adaptation of image classifiers in TensorFlow and Keras.

Read `tfuda.core.method`, then `tfuda.methods.dann`, then `tfuda.weighers.toalign`.
"""

from tfuda import startup

startup.check()
startup.import_quietly()

from tfuda.core import losses, method, ops, schedules  # noqa: E402
from tfuda.core import optimizers as optim  # noqa: E402
from tfuda.experiment import build  # noqa: E402

__all__ = ["build", "losses", "method", "ops", "optim", "schedules"]
__version__ = startup.VERSION
