"""What TensorFlow keeps of a training is given back after it."""

import tensorflow as tf
import tiny

from tfuda.core import tensorflow_private
from tfuda.core.ops import reverse_gradient
from tfuda.studies import grid


def test_a_grid_keeps_no_gradient_of_a_run_that_has_ended(tmp_path):
    def get_config(cell):
        return tiny.config(cell, steps=2, segment=2)

    runs = grid.make_grid(get_config, ["dann"], ["R-S"], [0, 1], tmp_path)
    before = tensorflow_private.kept_gradients()
    traced = []
    for place, run in enumerate(runs):
        grid.attempt(place, run, lambda line: None)
        traced.append(tensorflow_private.kept_gradients())
    assert traced == [before, before]


def test_what_is_traced_within_is_forgotten_and_what_was_before_is_kept():
    def traced():
        return tf.function(lambda x: tf.gradients(reverse_gradient(x, 2.0), x)[0])(tf.constant([1.0]))

    traced()
    before = tensorflow_private.kept_gradients()
    assert before
    with tensorflow_private.forgetting():
        traced()
        assert tensorflow_private.kept_gradients() > before
    assert tensorflow_private.kept_gradients() == before
