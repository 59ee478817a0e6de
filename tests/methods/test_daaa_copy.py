"""DAAA's lagging copy of the network, which is asked about the crop of training."""

import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda.experiment import build
from tfuda.experiment.workdir import Workdir


def test_a_lagging_copy_is_asked_about_the_crop_of_training_as_em_a_asks_the_network():
    config = tiny.config("daaa[same_crop=True;threshold=0]", steps=8)
    task, method = tiny.prepared(config)
    assert not hasattr(method, "posteriors")
    streams, names = build.streams(config, task), ("target", "target_as_source")
    batch = streams.load(0)
    assert all(not np.any(q) for q in method.asked(batch, names))  # nothing before the first refresh
    method.fit(streams, callbacks=[tiny.StopAt(4)], verbose=0)
    real = tf.concat([batch["target"]["image"], batch["target_as_source"]["pair"]], 0)
    then = tf.nn.softmax(method.network(real, training=False).logits)
    method.fit(streams, callbacks=[tiny.StopAt(6)], verbose=0)
    now = tf.nn.softmax(method.network(real, training=False).logits)
    np.testing.assert_allclose(tf.concat(method.asked(batch, names), 0), then, rtol=1e-4, atol=1e-6)
    assert np.abs(then - now).max() > 1e-3 and float(method.meters["expectation"].result()) > 0
    method.lagging = False
    np.testing.assert_allclose(tf.concat(method.asked(batch, names), 0), now, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_copy_is_the_same_on_two_replicas_and_after_resuming(tmp_path, two_replicas, double):
    made, folder = tiny.config("daaa[same_crop=True;threshold=0]", smooth=True, steps=4, segment=2), Workdir(tmp_path)
    with tiny.eagerly():
        alone = tiny.train(made, callbacks=[tiny.SaveAt(3, folder.checkpoints)])
        rest = tiny.train(made, checkpoint=folder.checkpoints)
    assert float(alone.meters["expectation"].result()) > 0
    assert tiny.differing(tiny.state(alone), tiny.state(rest)) == []
    with two_replicas():
        both = tiny.train(made)
    assert tiny.largest(alone, both) < 1e-9
