"""The cover of the grid: every legal pair, every method with every property, and what the library refuses."""

import itertools

import pairwise
import pytest
import tiny

from tfuda import names
from tfuda.experiment import build, prerequisites


def test_the_cover_holds_every_legal_pair():
    rows, chosen = pairwise.product(), pairwise.covering()
    for a, b in itertools.combinations(range(6), 2):
        assert {(row[a], row[b]) for row in chosen} == {(row[a], row[b]) for row in rows}
    assert len(chosen) < 100 < len(rows) and len({*chosen}) == len(chosen)


def test_the_slow_cases_hold_all_pairs_but_those_that_are_left_out():
    for wanted, left_out in pairwise.LEFT_OUT.items():
        chosen = [case.values[0] for case in pairwise.cases(wanted)]
        for a, b in {*itertools.combinations(range(5), 2)} - {*left_out}:
            rows = [row for row in pairwise.product() if row.property == wanted]
            assert {(row[a], row[b]) for row in chosen} == {(row[a], row[b]) for row in rows}
        assert len(chosen) < 100
    assert {*pairwise.LEFT_OUT} == {*pairwise.PROPERTIES}
    found = {cell.partition("+")[0] for cell in pairwise.cells()}
    assert found == {*names.modules("methods")} and len(pairwise.cells()) < 80


def test_every_method_and_every_seam_is_in_the_quick_cases():
    found = [{*column} for column in zip(*pairwise.quick())]
    assert found[0] == {*names.modules("methods")}
    assert found[1:4] == [{"", *names.modules(f"{seam}s")} for seam in names.SEAMS]
    assert found[4] == {*pairwise.SETTINGS} and len(pairwise.quick()) == len(found[0])


REFUSED = {
    ("daaa", "", "", "", "shots"): "no use for labelled target images",
    ("adda", "", "", "", "shots"): "no use for labelled target images",
    ("adda", "", "metaalign", "", "single"): "has no task",
    ("source_only", "toalign", "", "", "single"): "cannot act on it",
    ("source_only", "", "metaalign", "", "single"): "aligns nothing",
    ("mcd", "", "metaalign", "", "single"): "has turns of its own",
    ("symnets", "biwaa", "", "", "single"): "cannot act on it",
}


@pytest.mark.parametrize("names_", REFUSED, ids="+".join)
def test_what_the_product_leaves_out_the_library_refuses(names_, tmp_path):
    case = pairwise.Case(*names_, "resume")
    assert not pairwise.legal(case) and case not in pairwise.product()
    made = case.config()
    with pytest.raises(ValueError, match=REFUSED[names_]):
        if prerequisites.needed(made):
            prerequisites.check_prerequisites(made, tmp_path, build.task(made))
        tiny.prepared(made)


def test_partial_adaptation_weighs_classes_wherever_a_method_takes_it():
    partial = [case for case in pairwise.product() if case.setting == "partial" and case.cell == case.method]
    cases = {case.method: case for case in partial}
    plain = [name for name, case in cases.items() if not case.config().options.pada]
    assert {*cases} == {*names.modules("methods")} and plain == ["daaa", "dan", "jan"]
    for name in plain:
        made = cases[name].config()
        made.options.pada = True
        with pytest.raises(ValueError, match="does not weigh the source's classes"):
            tiny.prepared(made)
