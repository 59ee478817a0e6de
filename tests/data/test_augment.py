"""RandAugment is a function of seed and step, inside a dataset, and changes pictures."""

import numpy as np
import tensorflow as tf

from tfuda.data.augment import RandAugment
from tfuda.data.pipeline import Streams
from tfuda.data.tasks import Domain


def streams(seed=0, **options):
    images = np.random.default_rng(0).integers(0, 255, [12, 16, 16, 3], np.uint8)
    domains = {"source": Domain("D", ("a",), images)}
    return Streams(domains, {"source": 4}, seed, augment=RandAugment(**options)), images


def test_rand_augment_depends_on_seed_and_step_alone():
    whole = [batch["source"]["image"].numpy() for batch in streams()[0].dataset(0, 4)]
    rest = [batch["source"]["image"].numpy() for batch in streams()[0].dataset(2, 4)]
    for one, other in zip(whole[2:], rest):
        np.testing.assert_array_equal(one, other)
    other = [batch["source"]["image"].numpy() for batch in streams(seed=1)[0].dataset(0, 4)]
    assert any((a != b).any() for a, b in zip(whole, other)) and whole[0].dtype == np.uint8


def test_rand_augment_changes_more_with_more_strength():
    def change(strength):
        made, images = streams(strength=strength)
        off = [
            np.abs(batch["source"]["image"].numpy().astype(int) - images[batch["source"]["index"].numpy()]).mean()
            for batch in made.dataset(0, 12)
        ]
        return np.mean(off)

    weak, strong = change(0.05), change(0.9)
    assert 0 < weak < strong


def test_rand_augment_draws_anew_at_every_step():
    images = tf.constant(np.random.default_rng(0).integers(0, 255, [2, 16, 16, 3], np.uint8))
    change = RandAugment()
    seen = [change(images, tf.constant([0, step], tf.int64)).numpy() for step in range(6)]
    assert len({one.tobytes() for one in seen}) >= 5
