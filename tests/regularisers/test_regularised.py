"""A regulariser as a part of a method and of a cell: its term, what reads it, and its options."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tiny

from tfuda import names
from tfuda.core.extension_points import joint
from tfuda.experiment import build, cells, defaults
from tfuda.methods.dann import DANN
from tfuda.regularisers.mcc import MCC

EVERY = ("mcc", "bnm", "bsp")

# ---- in a method


def ready(cell, **changes):
    """(method, batch), on a network without batch norm."""
    made = tiny.config(cell, smooth=True, **changes)
    return build.method(made, task := build.task(made)), build.streams(made, task).load(0)


@pytest.mark.parametrize("name", EVERY)
def test_the_term_has_a_meter_of_its_name_and_counts_by_its_trade_off(name):
    method, batch = ready(f"source_only+{name}[trade_off=0.25]")
    found, outputs = method.forward(batch)
    term = method.regulariser(found, outputs)
    terms = method.terms(found, outputs)
    assert terms[name] == term and set(terms) == {"task", name}
    np.testing.assert_allclose(method.total(terms), terms["task"] + 0.25 * term, rtol=1e-6)
    noted = method.train_step(batch)
    np.testing.assert_allclose(noted[name], term, rtol=1e-6)
    np.testing.assert_allclose(noted["loss"], terms["task"] + 0.25 * term, rtol=1e-6)


def test_a_regulariser_changes_the_gradients():
    (with_it, batch), (without, _) = ready("source_only+mcc"), ready("source_only")
    ours, plain = (joint(method, batch)[0] for method in (with_it, without))
    assert max(float(tf.reduce_max(tf.abs(a - b))) for a, b in zip(ours, plain, strict=True)) > 1e-4


def test_source_only_reads_the_target_for_a_regulariser_alone():
    assert set(ready("source_only+bnm")[0].forward(ready("source_only")[1])[1]) == {"source", "target"}
    method, batch = ready("source_only")
    assert set(method.forward(batch)[1]) == {"source"} and "bnm" not in method.meters


def test_metaalign_looks_at_a_regulariser_too():
    """Without an inner step the alignment's turn is the plain sum, as the term is of no labelled stream."""
    method, batch = ready("dann[dropout=0]+metaalign[rate=0]+mcc")
    method.combine.rate = 0.0
    method.step.assign(5)
    gradients, terms, *_ = method.combine(method, batch)
    for ours, plain in zip(gradients, joint(method, batch)[0], strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-7)
    assert float(terms["mcc"]) > 0
    method.regulariser = None
    bare = method.combine(method, batch)[0]
    assert max(float(tf.reduce_max(tf.abs(a - b))) for a, b in zip(gradients, bare, strict=True)) > 1e-4


@pytest.mark.parametrize("name", ["Task", "Loss", "Reversal"])
def test_a_term_s_name_is_its_own(name):
    taken = type(name, (MCC,), {})
    with pytest.raises(ValueError, match=f"^DANN reports {name.lower()!r} itself: rename the regulariser$"):
        DANN(ready("dann")[0].network, regulariser=taken())


# ---- in a cell


class Shrunk:
    """A user's own: the mean of |f|^power."""

    def __init__(self, trade_off=0.5, power=2.0):
        self.trade_off, self.power = trade_off, power

    def __call__(self, batch, outputs):
        return tf.reduce_mean(tf.abs(outputs["target"].features) ** self.power)


@pytest.mark.parametrize("text, whole", [("mcc", "source_only+mcc"), ("bnm", "source_only+bnm"), ("bsp", "dann+bsp")])
def test_alone_it_stands_on_its_paper_s_method(text, whole):
    found = cells.parse_cell(text)
    assert found.cell == whole and f"{found.method}+{found.regulariser}" == whole
    assert found.weigher == found.combiner == ""


def test_options_of_a_regulariser_beside_a_weigher():
    found = cells.parse_cell("hda+toalign+mcc[temperature=3]")
    assert (found.method, found.weigher, found.regulariser) == ("hda", "toalign", "mcc")
    assert found.regulariser_options.to_dict() == {"trade_off": 1.0, "temperature": 3.0}
    assert cells.parse_cell("dann+bsp[count=2]").regulariser_options.to_dict() == {"trade_off": 2e-4, "count": 2}
    method = build.method(tiny.config("hda+toalign+mcc[temperature=3]"))
    assert method.regulariser == MCC(trade_off=0.3, temperature=3.0)  # the digits' own, and what the bracket says


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"^'dann\+mcc\+bsp' names two regularisers, 'mcc' and 'bsp'$"):
        cells.parse_cell("dann+mcc+bsp")
    with pytest.raises(ValueError, match="mcc has no option 'temprature', did you mean 'temperature'"):
        cells.parse_cell("mcc[temprature=3]")


def shrink(batch, outputs, trade_off=0.5):
    return None


def test_a_function_is_no_part():
    with pytest.raises(ValueError, match="'test_regularised:shrink' is no class: a weigher is"):
        cells.parse_cell("dann+test_regularised:shrink")


def test_bsp_is_of_the_source_and_the_unlabelled_target_in_every_turn():
    """With shots there is no third side, and ENT's two turns have one side each."""
    two, shots = (ready(cell, shots=count) for cell, count in (("dann+bsp", 0), ("dann+bsp", 1)))
    for method, batch in (two, shots):
        outputs = method.forward(batch)[1]
        sides = [np.linalg.svd(outputs[name].features, compute_uv=False)[0] ** 2 for name in ("source", "target")]
        np.testing.assert_allclose(method.regulariser(batch, outputs), sum(sides), rtol=1e-5)
    method, batch = ready("ent+bsp")
    for turn, name in zip(method.plan(), ("source", "target"), strict=True):
        read = {key: stream for key, stream in batch.items() if turn.reads(stream)}
        assert list(read) == [name] and set(method.beside(*method.forward(read))) >= {"bsp"}


def test_a_run_with_a_regulariser_is_no_source_only_run():
    plain, regularised = (defaults.default_config(cell) for cell in ("source_only", "source_only+mcc"))
    assert names.trains_source_only(plain) and not names.trains_source_only(regularised)
    assert names.trains_source_only({"method": "source_only"}) and not names.trains_source_only(
        defaults.default_config("dann")
    )


def test_a_class_of_a_user_s_own_with_a_trade_off_is_a_regulariser():
    found = cells.parse_cell("dann+test_regularised:Shrunk[power=3]")
    assert found.regulariser == "test_regularised:Shrunk" and not found.combiner
    method, batch = ready("dann+test_regularised:Shrunk[power=3]")
    features = method.forward(batch)[1]["target"].features
    np.testing.assert_allclose(method.train_step(batch)["shrunk"], np.mean(np.abs(features) ** 3), rtol=1e-5)
    assert method.trade_offs["shrunk"] == 0.5 and set(EVERY) <= {*names.modules("regularisers")}


@dataclasses.dataclass
class Doubled:
    """A user's own: the alignment sees features times a factor."""

    changes = ("features",)
    factor: float = 2.0

    def __call__(self, network, batch, outputs):
        return {name: out._replace(features=self.factor * out.features) for name, out in outputs.items()}


def test_a_class_of_a_user_s_own_that_says_what_it_changes_is_a_weigher():
    found = cells.parse_cell("dann+test_regularised:Doubled[factor=3]")
    assert found.weigher == "test_regularised:Doubled" and not found.combiner
    method, batch = ready("dann+test_regularised:Doubled[factor=3]")
    outputs = method.forward(batch)[1]
    seen = method.weigh(method.network, batch, outputs)
    np.testing.assert_array_equal(seen["target"].features, 3 * outputs["target"].features)
    with pytest.raises(ValueError, match=r"^DANNP aligns logits, and doubled changes features alone"):
        ready("dannp+test_regularised:Doubled")
