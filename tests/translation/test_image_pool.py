"""The image pool: one after another, as in the released code."""

import numpy as np
import tensorflow as tf

from tfuda.translation.image_pool import Pool, draw, exchange


def images(*numbers) -> tf.Tensor:
    """Of one pixel each: [n, 1, 1, 3]."""
    return tf.tile(tf.constant(numbers, tf.float32)[:, None, None, None], [1, 1, 1, 3])


def numbers(of) -> list[float]:
    return np.asarray(of)[:, 0, 0, 0].tolist()


def key(step: int) -> tf.Tensor:
    return tf.constant([5, step], tf.int64)


def one_by_one(stored: list, size: int, new: list, seed) -> list:
    """ImagePool.query of the released code, with the draws of `exchange`; changes `stored`."""
    odds, places = draw(len(new), seed, 2).numpy(), draw(len(new), seed + 1, size).numpy()
    shown = []
    for image, odd, place in zip(new, odds, places, strict=True):
        if len(stored) < size:
            stored.append(image)
            shown.append(image)
        elif odd == 1:
            shown.append(stored[place])
            stored[place] = image
        else:
            shown.append(image)
    return shown


def test_it_is_the_released_code_image_by_image():
    """Also where a batch is larger than the pool, fills it in its middle, or meets one place twice."""
    for size, batch in ((5, 1), (5, 3), (4, 7), (1, 4), (50, 8)):
        stored, count, plain = tf.zeros([size, 1, 1, 3]), tf.constant(0, tf.int64), []
        for step in range(20):
            new = [float(batch * step + i + 1) for i in range(batch)]
            shown, stored, count = exchange(stored, count, images(*new), key(step))
            assert numbers(shown) == one_by_one(plain, size, new, key(step))
            assert numbers(stored)[: len(plain)] == plain and int(count) == len(plain)


def test_it_shows_and_stores_what_comes_until_it_is_full():
    shown, stored, count = exchange(tf.zeros([5, 1, 1, 3]), tf.constant(0, tf.int64), images(1, 2, 3), key(0))
    assert numbers(shown) == [1, 2, 3] and numbers(stored) == [1, 2, 3, 0, 0] and int(count) == 3


def test_a_full_one_gives_back_half_of_the_time_from_all_places():
    stored, count, old, places = images(*range(50)), tf.constant(50, tf.int64), 0, set()
    compiled = tf.function(exchange)
    for step in range(400):
        shown, after, _ = compiled(stored, count, images(99), key(step))
        if numbers(shown) != [99.0]:
            old += 1
            places.add(numbers(shown)[0])
            assert numbers(after).count(99.0) == 1 and numbers(shown)[0] not in numbers(after)
        else:
            assert numbers(after) == numbers(stored)
    assert abs(old - 200) < 40 and len(places) > 45


def test_a_step_draws_the_same_again_and_another_step_otherwise():
    stored, count, new = images(*range(50)), tf.constant(50, tf.int64), images(*range(60, 80))
    a, b, other = (exchange(stored, count, new, key(step)) for step in (3, 3, 4))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert numbers(a[0]) != numbers(other[0])


def pool(size, name="pool", seed=0):
    def memory(name, shape, dtype="float32"):
        return made.setdefault(name, Value(tf.Variable(tf.zeros(shape, dtype))))

    made = {}
    return Pool(memory, name, size, 1, seed), made


class Value:
    """Like a keras.Variable."""

    def __init__(self, variable):
        self.variable, self.assign = variable, variable.assign

    @property
    def value(self):
        return tf.convert_to_tensor(self.variable)


def test_pools_of_other_names_and_seeds_draw_otherwise():
    seen = set()
    for name, seed in (("a", 0), ("b", 0), ("a", 1)):
        made, _ = pool(4, name, seed)
        shown = [numbers(made(images(*range(8 * t, 8 * t + 8)), tf.constant(t, tf.int64))) for t in range(3)]
        seen.add(tuple(np.ravel(shown)))
    assert len(seen) == 3


def test_its_images_and_their_count_are_variables():
    made, variables = pool(4)
    made(images(1, 2, 3), tf.constant(0, tf.int64))
    assert set(variables) == {"pool_images", "pool_count"}
    assert numbers(variables["pool_images"].value) == [1, 2, 3, 0] and int(variables["pool_count"].value) == 3


def test_a_pool_of_none_shows_everything():
    made, variables = pool(0)
    assert numbers(made(images(1, 2), tf.constant(0, tf.int64))) == [1, 2] and not variables
