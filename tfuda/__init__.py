"""Unsupervised domain adaptation of image classifiers in TensorFlow and Keras.

Read `tfuda.method`, then `tfuda.methods.dann`, then `tfuda.weighers.toalign`.
"""

from tfuda import versions

versions.check()
versions.import_quietly()

from tfuda import build, losses, method, ops, optim, schedules  # noqa: E402

__all__ = ["build", "losses", "method", "ops", "optim", "schedules"]
__version__ = "0.1.0"
