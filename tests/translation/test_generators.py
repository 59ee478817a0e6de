"""The networks of CycleGAN: shapes, patches, padding, and the norm of tensorflow-addons."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfuda.translation import generators

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.mark.parametrize(("size", "blocks"), [(32, 6), (128, 6), (256, 9)])
def test_a_generator_keeps_the_size(size, blocks):
    made = generators.generator(size, width=2)
    assert made.compute_output_shape((None, size, size, 3)) == (None, size, size, 3)
    assert sum(isinstance(layer, generators.Residual) for layer in made.layers) == blocks


def test_a_generator_gives_images_between_minus_one_and_one():
    made = generators.generator(32, width=4, blocks=2)
    images = made(tf.random.stateless_uniform([2, 32, 32, 3], [1, 2], -1, 1))
    assert images.shape == (2, 32, 32, 3) and float(tf.reduce_max(tf.abs(images))) <= 1


def test_a_generator_does_not_see_brightness_and_contrast(double):
    made, x = generators.generator(32, width=4, blocks=1), tf.random.stateless_uniform([1, 32, 32, 3], [1, 2], -1, 1)
    for layer in made.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.kernel.assign(20 * layer.kernel)  # so that the norm's epsilon is small beside the variances
    plain, other = made(x), made(0.5 * x + 0.3)
    np.testing.assert_allclose(plain, other, atol=1e-3)
    assert np.abs(plain - made(x[:, ::-1])).mean() > 0.1


def test_a_seeing_generator_hands_the_image_to_its_last_convolution():
    made, x = generators.generator(32, 4, 1, seeing=True), tf.random.stateless_uniform([1, 32, 32, 3], [1, 2], -1, 1)
    beside, *_, last, _ = made.layers
    np.testing.assert_array_equal(beside(x)[..., 4:], x)
    last.kernel.assign(tf.concat([tf.zeros([7, 7, 4, 3]), tf.scatter_nd([[3, 3]], [tf.eye(3)], [7, 7, 3, 3])], 2))
    np.testing.assert_allclose(made(x), tf.tanh(x), atol=1e-6)
    assert len(made.variables) == len(generators.generator(32, 4, 1).variables)


def test_the_generator_of_the_paper_has_its_11_million_weights():
    """11,378,179 in the released code, of which 4,544 are biases before a norm."""
    count = generators.generator(256).count_params()
    assert count == 11_378_179 - (64 + 128 + 256 + 18 * 256 + 128 + 64)


@pytest.mark.parametrize(("size", "patch"), [(256, 70), (128, 70), (64, 34), (32, 16)])
def test_a_verdict_sees_the_largest_patch_that_fits(size, patch):
    """Of a discriminator without norms, which see the whole image: the pixels with a gradient."""
    made = generators.discriminator(size, width=2)
    plain = keras.Sequential([layer for layer in made.layers if not layer.name.startswith("norm")])
    x = tf.random.stateless_normal([1, size, size, 3], [1, 2])
    with tf.GradientTape() as tape:
        tape.watch(x)
        verdicts = plain(x)
        middle = verdicts[0, verdicts.shape[1] // 2, verdicts.shape[2] // 2, 0]
    seen = np.abs(tape.gradient(middle, x)[0]).sum((1, 2)) > 0
    assert seen.sum() == patch


def test_the_discriminator_of_the_paper_has_its_widths():
    made = generators.discriminator(256)
    widths = [layer.filters for layer in made.layers if isinstance(layer, keras.layers.Conv2D)]
    assert widths == [64, 128, 256, 512, 1]
    assert made.output_shape == (None, 30, 30, 1)


def test_transposed_convolutions_lie_where_pytorchs_do(double):
    """They are the adjoint of the convolution that halves: <down x, y> = <x, up y> for one kernel."""
    halve = [layer for layer in generators.down("d", 2) if "norm" not in layer.name and "relu" not in layer.name]
    grow = [layer for layer in generators.up("u", 3) if "norm" not in layer.name and "relu" not in layer.name]
    x = tf.random.stateless_normal([1, 8, 8, 3], [1, 2], dtype=tf.float64)
    y = tf.random.stateless_normal([1, 4, 4, 2], [3, 4], dtype=tf.float64)
    halved, grown = keras.Sequential(halve)(x), keras.Sequential(grow)(y)
    grow[0].kernel.assign(halve[1].kernel)
    grown = keras.Sequential(grow)(y)
    np.testing.assert_allclose(tf.reduce_sum(halved * y), tf.reduce_sum(x * grown), rtol=1e-12)


@pytest.mark.golden
@pytest.mark.parametrize("case", ["image"])
def test_the_norm_is_that_of_tensorflow_addons(case, double):
    """Scaled and moved by gamma and beta, which ours lacks; addons' epsilon is 1e-3, PyTorch's and ours 1e-5."""
    folder = Path(os.environ.get("TFUDA_GOLDEN") or GOLDEN)
    with np.load((folder if (folder / "addons.npz").is_file() else GOLDEN) / "addons.npz") as file:
        golden = {key.rpartition("/")[2]: file[key] for key in file.files if key.startswith(f"instance/{case}/")}
    layer, x = generators.norm("norm", float(golden["epsilon"])), tf.constant(golden["x"])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = golden["gamma"] * layer(x) + golden["beta"]
        loss = tf.reduce_sum(y * golden["upstream"])
    np.testing.assert_allclose(y, golden["y"], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(tape.gradient(loss, x), golden["dx"], rtol=1e-10, atol=1e-12)
    assert layer.variables == [] and generators.norm("norm").epsilon == 1e-5


def test_weights_start_from_a_normal_of_a_fiftieth():
    keras.utils.set_random_seed(0)
    for variable in (*generators.generator(32, 32, 2).variables, *generators.discriminator(32, 32).variables):
        if "kernel" in variable.path:
            assert abs(float(tf.math.reduce_std(variable.value)) - 0.02) < 0.002
        else:
            assert not np.any(variable.value)


def test_names_do_not_count_what_was_built_before():
    a, b = ([v.path for v in generators.generator(32, 2, 2, "g").variables] for _ in range(2))
    assert a == b and a[0] == "g/convolution_first/kernel"


@pytest.mark.parametrize("size", [30, 12])
def test_sizes_that_cannot_be_halved_twice_are_refused(size):
    with pytest.raises(ValueError, match=f"images of {size} × {size}: the generators halve them twice"):
        generators.generator(size)
