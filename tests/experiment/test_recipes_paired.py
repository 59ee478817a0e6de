"""What a paper compares on equal terms, recipes train on equal terms; and what all recipes of papers share."""

import importlib
import pickle

import keras
import pytest

from tfuda.core import keras_private
from tfuda.methods.afn import AFN
from tfuda.networks import heads
from tfuda.networks.layers import BatchNormalization


def config(file, cell):
    return importlib.import_module(f"configs.{file}").get_config(cell)


def test_balanced_batches_aggregated_labels_and_the_loss_between_classes_belong_to_biwaa_alone():
    assert config("office_home", "biwaa").options.between
    for cell in ("mstn", "dann+biwaa", "dann@biwaa", "mstn+toalign"):
        made = config("office_home", cell)
        assert (made.samplers.source, made.beliefs.rate, made.options.get("between", False)) == (
            "uniform",
            1.0,
            False,
        )
    options = config("office_home", "mstn").options
    assert (options.reduction, options.absent, options.trade_offs.domain, options.scale) == (
        "mean",
        "decay",
        0.1,
        1.0,
    )


def test_what_biwaa_brings_yields_to_the_brackets():
    made = config("office_home", "mstn[between=False;trade_offs.domain=0.3]+biwaa").options
    assert (made.between, made.trade_offs.domain, made.reduction, made.scale) == (False, 0.3, "class", 0.5)


@pytest.mark.parametrize(("file", "cell"), [("office31", "dann@biwaa"), ("emoji", "dann")])
def test_dann_and_dann_with_biwaa_s_weights_differ_in_nothing_else(file, cell):
    plain, weighed = config(file, cell), config(file, "dann+biwaa")
    differing = {key for key in plain if plain[key] != weighed[key]}
    assert differing == {"cell", "weigher", "weigher_options"}


def test_dann_in_gsda_s_recipe_trains_on_the_same_target_images():
    plain, own = config("office31", "dann@gsda"), config("office31", "gsda")
    assert plain.samplers == own.samplers and plain.samplers.target == "balanced"
    assert plain.options.sure == own.options.sure == 0.9


def test_methods_of_tllib_keep_their_rates_on_domainnet():
    assert [config("domainnet", cell).optimizer.rate for cell in ("mcd", "adda", "dann")] == [1e-3, 1e-4, 3e-4]


def test_translations_of_real_pictures_are_cyclegan_s_without_an_identity_term():
    pairs = config("office31", "daaa").pairs
    assert (pairs.size, pairs.resize, pairs.flip, pairs.identity) == (256, 286, True, 0.0)
    assert config("office31", "dann").pairs == pairs  # whichever cell run/pair.py is given
    assert config("mnist", "daaa").pairs.identity == config("digits", "daaa").pairs.identity == 0.0
    assert not config("mnist", "daaa").pairs.flip


def test_gsda_has_its_paper_s_trade_offs_while_the_target_has_a_part_of_the_classes():
    made = config("office31", "gsda")
    made.lock()
    assert (made.options.trade_offs.entropy, made.options.trade_offs.synchrony) == (0.02, 1.0)
    made.partial = "caltech"
    assert (made.options.trade_offs.entropy, made.options.trade_offs.synchrony) == (0.2, 10.0)
    assert pickle.loads(pickle.dumps(made)).options.trade_offs.synchrony == 10.0  # for --processes
    made.options.trade_offs.synchrony = 3.0
    assert (made.options.trade_offs.entropy, made.to_dict()["options"]["trade_offs"]["synchrony"]) == (0.2, 3.0)
    said = config("office31", "gsda[trade_offs.entropy=0.5]")
    said.partial = "caltech"
    assert (said.options.trade_offs.entropy, said.options.trade_offs.synchrony) == (0.5, 10.0)


@pytest.mark.parametrize("file", ["office31", "office_home", "visda", "domainnet", "domainnet40", "domainnet126"])
@pytest.mark.parametrize("cell", ["dannp", "biwaa", "afn", "mcc", "hda@hda"])
def test_recipes_of_papers_keep_pytorch_s_moving_variance(file, cell):
    assert config(file, cell).network_options.unbiased is True


@pytest.mark.parametrize("made", [AFN.neck(8, AFN.options()), heads.neck(8, "norm", "kaiming")])
def test_bottlenecks_with_batch_norm_keep_pytorch_s_moving_variance(made):
    norms = [
        layer for layer in keras_private.layers_within(made) if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert [type(layer) for layer in norms] == [BatchNormalization]
