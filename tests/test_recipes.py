"""The papers' recipes: what each sets, and how a cell chooses one."""

import importlib
import types

import pytest

from tfuda import build, recipes


def config(file, cell):
    return importlib.import_module(f"configs.{file}").get_config(cell)


def test_a_recipe_follows_from_the_method_or_stands_behind_an_at():
    cells = ("dannp", "cdane", "hda", "hda+toalign", "hda@hda", "hda[two_way=True]+toalign@hda", "dann@cdan")
    expected = ["toalign", "cdan", "toalign", "toalign", "hda", "hda", "cdan"]
    cells += ("gvb", "gvb+metaalign", "dannp+metaalign", "gvb+metaalign@toalign")
    expected += ["gvb", "metaalign", "metaalign", "toalign"]
    cells += ("gsda", "tada", "tada+biwaa")
    expected += ["gsda", "tada", "tada"]
    cells += ("biwaa", "mstn", "dann+biwaa", "cdane+biwaa", "afn", "afn+biwaa", "dann")
    expected += ["biwaa", "biwaa", "biwaa", "cdan", "afn", "afn", "toalign"]
    assert [recipes.name(cell) for cell in cells] == expected
    with pytest.raises(ValueError, match="unknown recipe 'had' of 'hda@had', did you mean 'hda'"):
        recipes.name("hda@had")


def test_the_name_of_a_cell_tells_its_recipe():
    assert config("office_home", "hda@hda").cell == "hda@hda"
    assert config("office_home", "toalign").cell == "dannp+toalign"


@pytest.mark.parametrize("cell", ["hda", "hda+toalign"])
def test_hda_trains_as_toalign_s_repository_does(cell):
    made, plain = config("office_home", cell), config("office_home", "dannp")
    assert made.optimizer == plain.optimizer
    assert (made.steps, made.segment, made.batch) == (8000, 500, 36)
    assert (made.options.ramp_ahead, made.options.ramp_steps) == (0, 0)


def test_hda_s_own_recipe():
    made = config("office_home", "hda@hda")
    assert (made.steps, made.segment, made.batch) == (6002, 500, 36)
    chosen = made.optimizer
    assert (chosen.rate, chosen.gamma, chosen.per_step, chosen.decay) == (1e-3, 1e-3, True, 1e-3)
    assert (made.options.ramp_ahead, made.options.ramp_steps) == (1, 10_000)
    assert (made.view.train, made.view.test, made.network.bottleneck) == ("crop", "center", 0)


def test_hda_s_own_rates_by_task_of_office31():
    rates = {}
    for cell in ("hda", "hda@hda"):
        made = config("office31", cell)
        rates[cell] = {made.optimizer.rate * made.optimizer.by_task.get(t, 1.0) for t in ("W-A", "D-A")}
        rates[cell, "else"] = {made.optimizer.rate * made.optimizer.by_task.get(t, 1.0) for t in ("A-W", "W-D")}
    assert rates == {"hda": {1e-3}, ("hda", "else"): {1e-3}, "hda@hda": {1e-3}, ("hda@hda", "else"): {3e-4}}


def test_several_sources_are_one_domain_in_toalign_s_recipe_and_told_apart_in_hda_s():
    ours, own = config("domainnet", "hda+toalign"), config("domainnet", "hda@hda")
    assert (ours.options.two_way, ours.samplers.source, ours.steps) == (True, "padded", 50_000)
    assert (own.options.two_way, own.samplers.source, own.steps) == (False, "per_domain", 50_004)
    assert ours.batches.source == own.batches.source == 80 and ours.optimizer.rate == own.optimizer.rate == 3e-4


def test_semi_supervised_and_visda_settings():
    for cell in ("hda", "hda@hda"):
        made = config("domainnet126", cell)
        assert (made.steps, made.segment, made.batch, made.optimizer.rate) == (20_004, 1000, 24, 1e-3)
        assert build.passes(made.passes, ("source", "target_labelled", "target"))[0] == ("source", "target_labelled")
        assert config("visda", cell).optimizer.rate == 3e-4


def test_gvb_s_and_metaalign_s_own_recipes():
    gvb, meta = config("office_home", "gvb"), config("office_home", "gvb+metaalign")
    assert (gvb.steps, gvb.batch, gvb.optimizer.per_step, gvb.options.ramp_steps) == (8004, 36, True, 10_000)
    assert (meta.steps, meta.batch, meta.passes, meta.combiner_options.task_alone) == (10_002, 24, "joint", True)
    assert config("visda", "gvb").steps == 15_002 and config("visda", "gvb").optimizer.rate == 3e-4
    slow = config("office31", "gvb").optimizer.by_task.to_dict()
    assert slow == dict.fromkeys(("A-W", "D-W", "W-D", "A-D"), 0.3)


def test_biwaa_s_own_recipe():
    made = config("office_home", "biwaa")
    assert made.cell == "mstn+biwaa" and made.weigher_options.factor == 10.0
    assert (made.steps, made.batch, made.optimizer.decay, made.optimizer.rate) == (5004, 36, 1e-3, 1e-3)
    assert (made.options.ramp_steps, made.options.ramp_ahead, made.options.epsilon) == (20_000, 1, 0.0)
    assert (made.samplers.source, made.samplers.target, made.beliefs.rate) == ("balanced", "uniform", 0.9)
    assert (made.view.train, made.view.test, made.network.bottleneck) == ("resized_crop", "ten", 256)
    assert config("office31", "dann+biwaa").optimizer.by_task.to_dict() == {"A-D": 0.3, "D-W": 0.3}
    assert config("office_home", "mstn").beliefs.rate == 1.0  # MSTN knows no beliefs


def test_afn_s_own_recipe_gives_the_backbone_no_momentum_and_a_constant_rate():
    made = config("visda", "afn+biwaa")
    assert made.options.trade_offs.to_dict() == {"task": 1.0, "norm": 0.01, "entropy": 0.0}
    assert (made.options.step_size, made.options.blocks, made.view.train) == (0.3, 2, "center")
    home = config("office_home", "afn")
    assert (home.options.step_size, home.options.blocks, home.options.trade_offs.norm) == (1.0, 1, 0.05)
    optimizer = build.optimizer(home, types.SimpleNamespace(rate_steps=home.steps, rate_progress=0.5))
    assert [optimizer.groups(f"network/{name}/kernel") for name in ("backbone_0", "head")] == [(1.0, 0.0), (1.0, 0.9)]
    assert not optimizer.nesterov and float(optimizer.learning_rate) == pytest.approx(1e-3)


def test_gsda_s_and_tada_s_recipes():
    gsda, tada = config("office_home", "gsda"), config("office_home", "tada")
    assert (gsda.samplers.source, gsda.samplers.target, gsda.options.sure) == ("balanced", "balanced", 0.9)
    assert (gsda.view.train, gsda.view.test, gsda.network.bottleneck) == ("resized_crop", "center", 256)
    assert (gsda.options.trade_offs.entropy, gsda.options.trade_offs.synchrony) == (0.02, 1.0)
    visda = config("visda", "gsda").options
    assert (visda.groups, visda.trade_offs.entropy, visda.trade_offs.synchrony) == (4, 0.2, 10.0)
    assert (tada.optimizer.momentum, tada.optimizer.backbone_momentum, tada.optimizer.gamma) == (0.95, 0.95, 10.0)
    assert (tada.options.trade_offs.entropy, tada.options.ramp_steps) == (0.1, 0)


def test_a_recipe_sets_no_option_that_a_method_lacks():
    made = config("office_home", "source_only@cdan")
    assert "ramp_ahead" not in made.options and made.optimizer.per_step
