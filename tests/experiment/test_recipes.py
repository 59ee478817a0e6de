"""The papers' recipes: what each sets, and how a cell chooses one."""

import importlib
import types

import keras_tuner
import pytest

from tfuda import names
from tfuda.experiment import build, cells, recipes, recipes_tllib


def in_training(steps: int) -> types.SimpleNamespace:
    """What an optimizer asks of a method: its steps, its progress, and which variables are the backbone's."""
    network = types.SimpleNamespace(backbone_paths=lambda: frozenset({"network/backbone_0/kernel"}))
    return types.SimpleNamespace(rate_steps=steps, rate_progress=0.5, network=network)


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
    cells += ("ent", "mme", "jan[adversarial=True]", "mada+biwaa", "pada", "dann[pada=True]")
    expected += ["mme", "mme", "jan", "mada", "pada", "toalign"]
    assert [recipes.name(cell) for cell in cells] == expected
    with pytest.raises(ValueError, match="unknown recipe 'had' of 'hda@had', did you mean 'hda'"):
        recipes.name("hda@had")


def test_a_regulariser_brings_its_recipe_to_the_bare_methods_alone():
    for cell in ("bsp", "dann+bsp", "cdane+bsp", "cdan+bsp"):
        assert recipes.name(cell) == "bsp"
    for cell in ("mcc", "source_only+mcc", "dann+mcc", "dann+mcc[temperature=2]"):
        assert recipes.name(cell) == "mcc"
    cells = ("bnm", "hda+toalign+mcc", "dann+toalign+mcc", "dann+biwaa+bnm", "dann+metaalign+mcc", "mada+mcc")
    assert [recipes.name(cell) for cell in cells] == ["bnm", "toalign", "toalign", "biwaa", "metaalign", "mada"]
    assert recipes.name("dann+mcc@cdan") == "cdan" and recipes.name("dann@mcc") == "mcc"


def test_an_added_regulariser_leaves_the_recipe_as_it_is():
    plain, added = config("office_home", "hda+toalign"), config("office_home", "hda+toalign+mcc")
    assert added.regulariser == "mcc" and not plain.regulariser
    for key in plain:
        assert key in ("cell", "regulariser", "regulariser_options") or added[key] == plain[key], key


def test_a_combiner_of_one_s_own_has_the_recipe_of_its_method():
    assert recipes.name("gvb+tfuda.combiners.metaalign:MetaAlign") == "gvb"


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
        assert cells.parse_passes(made.passes, ("source", "target_labelled", "target"))[0] == (
            "source",
            "target_labelled",
        )
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


def test_afn_s_own_recipe_gives_the_backbone_no_momentum_and_a_constant_rate():
    made = config("visda", "afn+biwaa")
    assert made.options.trade_offs.to_dict() == {"task": 1.0, "norm": 0.01, "entropy": 0.0}
    assert (made.options.step_size, made.options.blocks, made.view.train) == (0.3, 2, "center")
    home = config("office_home", "afn")
    assert (home.options.step_size, home.options.blocks, home.options.trade_offs.norm) == (1.0, 1, 0.05)
    optimizer = build.optimizer(home, in_training(home.steps))
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


def numbers(file, cell):
    """Rate of the backbone, gamma, decay, batch, bottleneck and neck."""
    made = config(file, cell)
    chosen, network = made.optimizer, made.network
    return (chosen.rate, chosen.gamma, chosen.decay, made.batch, network.bottleneck, network.neck)


def test_tllib_s_recipes_on_office31():
    assert {cell: numbers("office31", cell) for cell in ("dan", "jan", "adda", "mcd", "mdd", "pada", "iwan")} == {
        "dan": (3e-4, 3e-4, 5e-4, 32, 256, "dropout"),
        "jan": (3e-4, 3e-4, 5e-4, 32, 256, "norm"),
        "adda": (1e-4, 3e-4, 1e-3, 32, 256, "norm"),
        "mcd": (1e-3, 0.0, 5e-4, 32, 0, "linear"),
        "mdd": (4e-4, 2e-4, 5e-4, 32, 1024, "norm+dropout"),
        "pada": (2e-4, 1e-3, 1e-3, 36, 256, "norm"),
        "iwan": (1e-4, 1e-3, 1e-3, 36, 256, "norm"),
    }
    assert numbers("office31", "bsp") == (3e-4, 1e-3, 1e-3, 32, 256, "norm")
    assert numbers("office31", "mcc") == numbers("office31", "bnm") == (5e-4, 1e-3, 1e-3, 36, 1024, "norm")


@pytest.mark.parametrize("cell", [*recipes_tllib.TABLE])
def test_what_tllib_s_recipes_have_in_common(cell):
    made = config("office_home", cell)
    assert (made.steps, made.segment, made.passes, made.optimizer.per_step) == (10_000, 500, "joint", True)
    assert (made.view.resize, made.view.size, made.view.train, made.view.flip) == (256, 224, "resized_crop", True)
    assert made.view.test == "center" and made.options.ramp_steps == 10_000
    assert made.optimizer.new_layers == (1.0 if cell == "mcd" else 10.0)


def test_the_reversal_ends_at_2_in_adda_at_a_tenth_in_mdd_and_at_1_elsewhere():
    heights = {cell: config("office31", cell).options.ramp_height for cell in ("adda", "mdd", "pada", "cdane+bsp")}
    assert heights == {"adda": 2.0, "mdd": 0.1, "pada": 1.0, "cdane+bsp": 1.0}


def test_mcd_moves_all_at_one_constant_rate_and_the_backbone_without_momentum():
    made = config("office31", "mcd")
    optimizer = build.optimizer(made, in_training(made.steps))
    assert [optimizer.groups(f"network/{name}/kernel") for name in ("backbone_0", "head")] == [(1.0, 0.0), (1.0, 0.9)]
    assert not optimizer.nesterov and float(optimizer.learning_rate) == pytest.approx(1e-3)


def test_trade_offs_and_widths_by_data_set():
    files = ("office31", "office_home", "visda")
    assert [config(file, "mcd").options.trade_offs.discrepancy for file in files] == [10.0, 30.0, 1.0]
    assert [config(file, "mcc").network.bottleneck for file in files] == [1024, 2048, 256]
    mdd = [config(file, "mdd") for file in files]
    assert [(made.network.bottleneck, made.options.hidden) for made in mdd] == [(1024,) * 2, (2048,) * 2, (1024,) * 2]
    assert [config(file, "dann+mcc").regulariser_options.temperature for file in files] == [2.5, 2.5, 3.0]
    assert [config(file, "symnets").steps for file in files] == [4400, 6800, 10_000]


def test_rates_on_visda_are_those_of_a_recipe_s_own_code_where_it_has_some():
    rates = {cell: config("visda", cell).optimizer.rate for cell in ("mcc", "bnm", "dan", "mada", "symnets", "cdan")}
    assert rates == {"mcc": 2e-4, "bnm": 2e-4, "dan": 3e-4, "mada": 3e-4, "symnets": 1e-3, "cdan": 3e-4}
    assert config("visda", "mcd").optimizer.rate == 1e-3 and config("visda", "mdd").batch == 36
    assert config("visda", "mcd").view.train == "center"
    assert config("visda", "pada").options.trade_offs.domain == 0.4


def test_symnets_mme_s_and_mada_s_recipes():
    assert numbers("office31", "symnets") == (1e-3, 10.0, 1e-4, 128, 0, "linear")
    assert not config("office31", "symnets").optimizer.per_step
    assert numbers("office31", "mada") == (1e-3, 1e-3, 1e-3, 36, 256, "linear")
    mada = config("office31", "mada")
    assert (mada.steps, mada.view.train, mada.view.test) == (10_000, "resized_crop", "center")
    assert (mada.options.ramp_steps, mada.options.ramp_ahead, mada.samplers.source) == (10_000, 1, "uniform")
    for cell in ("ent", "mme"):
        made = config("domainnet126", cell)
        assert numbers("domainnet126", cell) == (1e-3, 1e-4, 5e-4, 24, 0, "linear")
        assert (made.network.name, made.shots, made.steps) == ("resnet34", 3, 50_000)
        assert (made.optimizer.per_step, made.optimizer.new_layers, made.view.train) == (True, 10.0, "crop")
        assert made.passes == "source+target_labelled,target" and made.batches.target == 48


def test_methods_that_refuse_shots_get_none():
    shots = {cell: config("domainnet126", cell).shots for cell in ("adda", "daaa", "dan", "dann+mcc")}
    assert shots == {"adda": 0, "daaa": 0, "dan": 3, "dann+mcc": 3}
    assert config("domainnet126", "adda").passes == "joint" and config("domainnet126", "daaa").batch == 60


@pytest.mark.parametrize("file", ["office31", "office_home", "visda", "domainnet126"])
@pytest.mark.parametrize("recipe", [*recipes.RECIPES])
def test_no_recipe_sets_an_option_that_a_method_lacks(file, recipe):
    for method in ("source_only", "mcd", "symnets", "afn+biwaa", "daaa"):
        made = config(file, f"{method}@{recipe}")
        assert {*made.options} <= {*build.kind(made).options()}, method
        assert {*made.options.trade_offs} == {*build.kind(made).trade_offs}, method


def test_the_search_weighs_the_game_and_the_regulariser_and_starts_from_the_config():
    cells = {
        "dann+bsp": {"options.trade_offs.domain": 1.0, "regulariser_options.trade_off": 2e-4},
        "mcd": {"options.trade_offs.discrepancy": 30.0, "options.trade_offs.balance": 0.01},
        "mdd": {"options.trade_offs.margin": 1.0, "options.margin": 4.0},
        "mme": {"options.trade_offs.minimax": 0.1, "options.temperature": 0.05},
        "iwan": {f"options.trade_offs.{k}": v for k, v in {"domain": 3.0, "entropy": 0.1, "teller": 4.5}.items()},
        "afn": {"options.trade_offs.norm": 0.05, "options.step_size": 1.0},  # its entropy is off
        "mcc": {"regulariser_options.trade_off": 1.0, "regulariser_options.temperature": 2.5},
        "dann+biwaa": {"options.trade_offs.domain": 1.0, "weigher_options.factor": 10.0},
    }
    for cell, wanted in cells.items():
        made, space = config("office_home", cell), keras_tuner.HyperParameters()
        before = made.to_dict()
        made.lock()
        recipes.sweep(space, made)
        assert made.to_dict() == before, cell  # the first draw
        assert {key: value for key, value in space.values.items() if key != "optimizer.rate"} == wanted, cell
        for drawn in space.space:
            assert drawn.min_value <= drawn.default <= drawn.max_value


@pytest.mark.parametrize(
    "method", [name for name in names.modules("methods") if name not in ("source_only", "adabn")]
)
def test_every_method_has_something_of_its_own_to_search(method):
    space = keras_tuner.HyperParameters()
    recipes.sweep(space, config("office_home", method))
    assert {*space.values} - {"optimizer.rate"}


def test_what_stands_in_brackets_is_neither_the_recipe_s_nor_the_data_set_s():
    assert config("office31", "dann[trade_offs.domain=0.5]").options.trade_offs.domain == 0.5
    assert config("office31", "adda[ramp_height=1]").options.ramp_height == 1.0
    assert config("office_home", "mcd[hidden=8;trade_offs.discrepancy=5]").options.trade_offs.discrepancy == 5.0
    assert config("visda", "mcc[trade_off=2;temperature=2]").regulariser_options.temperature == 2.0
    assert config("office31", "mdd[ramp_steps=7]@hda").options.ramp_steps == 7


def test_a_schedule_is_left_out_of_the_search():
    made, space = config("office_home", "dan"), keras_tuner.HyperParameters()
    with made.ignore_type():
        made.options.trade_offs.discrepancy = "ramp"
    recipes.trade_offs(space, made)
    assert not space.values and made.options.trade_offs.discrepancy == "ramp"


def test_a_recipe_sets_no_option_that_a_method_lacks():
    made = config("office_home", "source_only@cdan")
    assert "ramp_ahead" not in made.options and made.optimizer.per_step
