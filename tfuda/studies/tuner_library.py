"""Import keras-tuner, an extra of the library, and the parts of it that its public names do not reach.

keras_tuner.src has the two oracles whose draws tfuda/studies/tuner_oracles.py makes reproducible. It also has the
client by which several processes search together. Tried with keras-tuner 1.4.7 and 1.4.8.
"""

from tfuda.startup import MissingExtra

try:
    import keras_tuner
    import tensorboard  # noqa: F401  keras-tuner needs it and does not say so
    from keras_tuner.src.distribute import oracle_client
    from keras_tuner.src.tuners.bayesian import BayesianOptimizationOracle
    from keras_tuner.src.tuners.hyperband import HyperbandOracle
except ImportError as error:
    raise MissingExtra(f"a search needs keras-tuner: pip install 'tfuda[tune]' ({error})") from None

__all__ = ["BayesianOptimizationOracle", "HyperbandOracle", "keras_tuner", "oracle_client"]
