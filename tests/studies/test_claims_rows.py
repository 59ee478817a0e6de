"""The rows of a claim: they can be trained, and differ in nothing but what the claim is about."""

import pytest
import tiny

from configs import domainnet, emoji
from tfuda.experiment import build
from tfuda.experiment import cells as words
from tfuda.studies import paper_tables
from tfuda.studies.claims import catalogue
from tfuda.studies.claims.catalogue import CLAIMS, COSTS, SETTINGS, STEADY

EVERY = sorted({(claim.setting, name) for claim in CLAIMS for pair in claim.steps for name in pair})


def config_of(setting, name):
    row = paper_tables.row_named(name)
    table = paper_tables.PaperTable("", "", "emoji", (), 1, SETTINGS[setting].settings, (row,), (), "")
    return paper_tables.config_of(table, row)


@pytest.mark.parametrize("setting, name", EVERY)
def test_every_row_of_a_claim_has_a_cell_and_a_config(setting, name):
    row = paper_tables.row_named(name)
    assert words.parse_cell(row.cell).cell == row.cell and row.name == name
    config = config_of(setting, name).to_dict()
    for key, value in {**SETTINGS[setting].settings, **row.settings}.items():
        assert config[key.split(".")[0]] == value or config[key.split(".")[0]][key.split(".")[-1]] == value


def test_no_task_was_tuned_and_settings_of_one_source_have_all_that_were_not():
    assert emoji.TASKS["untuned"] == catalogue.NINE
    for setting in SETTINGS.values():
        for task in setting.tasks:
            sources, target = task.split("-")
            assert not {f"{source}-{target}" for source in sources.split("+")} & {*emoji.TUNED}


# ---- what the rows of a step differ in


def flat(config):
    found = {}
    for key, value in config.items():
        found |= {f"{key}.{k}": v for k, v in flat(value).items()} if hasattr(value, "items") else {key: value}
    return found


def settings(setting, name):
    """Every setting of a row, and how its rounds are trained."""
    row = paper_tables.row_named(name)
    return {**flat(config_of(setting, name).to_dict()), "rounds": row.rounds, "loader": row.loader}


def said(name):
    """Keys that a row's name says: options in brackets, settings, rounds, and what stands on top of the method."""
    row = paper_tables.row_named(name)
    brackets = words.options_in_brackets(row.cell).items()
    tops = [place.removesuffix("_options") for place, _ in brackets if place != "options"]
    return {f"{place}.{key}" for place, keys in brackets for key in keys} | {*row.settings, *tops, "rounds", "loader"}


def unsaid(setting, one, other):
    """Keys that differ between two rows and that no name says; a name says all options of what one row alone has."""
    low, high = settings(setting, one), settings(setting, other)
    differ = {key for key in {*low, *high} if low.get(key) != high.get(key)} - {"cell"} - said(one) - said(other)
    tops = [f"{top}_options." for top in ("weigher", "combiner", "regulariser") if low[top] != high[top]]
    return {key for key in differ if not key.startswith(tuple(tops))}


def options(text):
    return {f"options.{name}" for name in text.split()}


DISCRIMINATOR = options(
    "domains.source domains.target pooled scale strength two_way width"
)  # one of HDA's or DANNP's
BRIDGES = options("trade_offs.generator_bridge trade_offs.discriminator_bridge")
HEURISTIC = options("trade_offs.heuristic")
LEVELS = options(
    "activation detached dropout entropic epsilon groups hidden levels overlap ramp_ahead ramp_loss scale sure "
    "synchronised trade_offs.classes trade_offs.classes_norm trade_offs.domain_norm trade_offs.entropy "
    "trade_offs.groups trade_offs.groups_norm trade_offs.synchrony width"
)
REGIONS = options("region_hidden scope shared trade_offs.entropy trade_offs.local weight")
BY_PAPERS = options("absent between reduction scale trade_offs.domain")  # MSTN's by its paper, and by BIWAA's
PARTIAL = "gsda[trade_offs.entropy=0.2;trade_offs.synchrony=10.0]"

OWN = {  # {(worse, better): keys that differ as the two rows are two methods}
    ("dannp", "gvb"): {"method"} | DISCRIMINATOR | BRIDGES,
    ("gvb", "hda"): {"method"} | BRIDGES | HEURISTIC,
    ("dannp", "hda"): {"method"} | DISCRIMINATOR | HEURISTIC,
    ("mstn", "mstn+biwaa"): {"beliefs.rate", "samplers.source"} | BY_PAPERS,
    ("dann", "gsda"): {"method"} | LEVELS,
    ("dann", PARTIAL): {"method"} | LEVELS - options("trade_offs.entropy trade_offs.synchrony"),
    ("cdane", "gsda"): {"method"} | LEVELS | options("initial randomized"),
    ("dann", "tada"): {"method"} | REGIONS | options("detached epsilon"),
    ("mada", "tada"): {"method"} | REGIONS | options("hidden"),
}
STEPS = [(claim.says, claim.setting, *pair) for claim in CLAIMS for pair in claim.steps]
STEPS += [(one.says, "single", one.base, one.row) for one in STEADY]
STEPS += [(one.says, "single", one.base, one.cell) for one in COSTS]


@pytest.mark.parametrize("says, setting, one, other", STEPS, ids=[f"{say}: {a} {b}" for say, _, a, b in STEPS])
def test_rows_of_a_step_differ_in_nothing_but_what_the_claim_is_about(says, setting, one, other):
    assert unsaid(setting, one, other) == OWN.get((one, other), set())


def test_a_difference_that_no_name_says_is_found():
    alone = unsaid("pairs", "source_only", catalogue.NO_TRANSFER)
    assert {"batch", "views", "passes", "network.frozen", "network.bottleneck", "optimizer.rate"} < alone
    assert unsaid("pairs", "daaa[lagging=False]", "daaa[threshold=0]") == set()


def test_every_difference_of_methods_is_of_a_step():
    assert {*OWN} <= {step[2:] for step in STEPS}


# ---- rows that stand for those of a paper


def prepared(cell):
    """DAAA on small digits, and the images of its streams in a step."""
    made = tiny.config(cell)
    task, method = tiny.prepared(made)
    return method, build.streams(made, task).batch


def test_daaa_on_the_source_alone_is_source_only_in_its_recipe():
    before, alone = prepared(catalogue.SOURCE_ALONE)
    after, both = prepared(catalogue.NO_TRANSFER)
    assert alone == {"source": 40} and both == {"source": 28, "source_as_target": 12}
    for method in (before, after):
        assert not method.learns and method.rate_steps == method.steps  # no posterior; the rate falls once
        assert method.trade_offs["attention"] == 0


def test_em_a_and_the_row_beside_it_both_ask_about_the_crop_of_training():
    steps = next(claim.steps for claim in CLAIMS if "EM-A" in claim.says)
    assert steps == (("daaa[lagging=False]", catalogue.SAME_CROP),)
    for cell in steps[0]:
        assert not hasattr(prepared(cell)[0], "posteriors")  # the table of the centre crops


def test_several_sources_have_the_two_ways_of_the_papers_baseline():
    step = next(claim.steps for claim in CLAIMS if claim.setting == "several")
    assert [config_of("several", row).options.two_way for row in step[0]] == [True, True]
    assert domainnet.get_config("hda").options.two_way and domainnet.get_config("hda+toalign").options.two_way
