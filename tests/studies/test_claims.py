"""Claims: that each can be run and is printed somewhere, how it is judged, and the order of the runs."""

import itertools

import pytest
from commands import SMALL, command

from configs import digits
from tfuda.experiment import cells as words
from tfuda.studies import published_numbers
from tfuda.studies.claims import catalogue, measurements, verdicts
from tfuda.studies.claims.catalogue import CLAIMS, Claim, chain


def values(**gains):
    """{cell: ...} over six tasks and two seeds, each cell above `base` by its gain in all."""
    places = [(task, seed) for task in "ABCDEF" for seed in (0, 1)]
    return {name: dict.fromkeys(places, 50.0 + gain) for name, gain in {"base": 0.0, **gains}.items()}


def test_every_cell_of_a_claim_is_one_and_every_variant_is_known():
    for cell in measurements.cells(CLAIMS):
        assert words.parse_cell(cell).cell == cell
    named = {name for claim in CLAIMS for pair in claim.steps for name in pair}
    assert {name for name in named if name.startswith("biwaa-i")} == {catalogue.FIRST, *catalogue.VARIANTS}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.paper} {claim.says}")
def test_the_papers_numbers_of_a_claim_go_the_way_that_it_says(claim):
    shown = verdicts.printed(claim)
    assert shown
    if not claim.printed:
        names = list(dict.fromkeys(itertools.chain(*claim.steps)))
        numbers = dict(zip(names, map(float, shown.split(" → ")), strict=True))
        assert all(numbers[worse] < numbers[better] for worse, better in claim.steps)


def test_the_five_papers_have_claims():
    assert {claim.paper for claim in CLAIMS} == {*published_numbers.TITLES}


def test_a_step_is_a_paired_comparison():
    low = {("A", 0): 10.0, ("A", 1): 20.0, ("B", 0): 30.0, ("C", 5): 1.0}
    high = {("A", 0): 13.0, ("A", 1): 21.0, ("B", 0): 29.0}
    found = verdicts.step({"low": low, "high": high}, "low", "high")
    assert (found.worse, found.better, found.pairs) == (20.0, 21.0, 3)
    assert found.gain == pytest.approx(1.0)
    assert found.deviation == pytest.approx(0.0)  # seed 0 gains (3 - 1) / 2, seed 1 gains 1
    assert found.p == pytest.approx(6 / 8)  # of 8 sums of ±3 ±1 ±1 two, +1 and -1 each, are within 3
    assert found.verdict == "unclear"
    assert verdicts.step({"low": low}, "low", "high") is None


@pytest.mark.parametrize(
    "gains, wanted",
    [
        ({"a": 1.0, "b": 2.0}, "holds"),
        ({"a": 1.0, "b": 0.5}, "does not hold"),
        ({"a": 1.0, "b": 1.0}, "unclear"),
        ({"a": 1.0}, "not yet run"),
        ({"a": -1.0}, "does not hold"),
    ],
)
def test_a_claim_holds_where_all_of_its_steps_do(gains, wanted):
    known = values(**gains)
    assert verdicts.verdict([verdicts.step(known, *pair) for pair in chain("base", "a", "b")]) == wanted


def test_the_file_says_how_far_it_came_and_counts_the_verdicts():
    claims = [Claim("gsda", "3", "one", chain("dann", "gsda")), Claim("tada", "2", "two", chain("dann", "tada"))]
    known = {"dann": values()["base"], "gsda": values(up=2.0)["up"]}
    text = verdicts.markdown(claims, known, {}, 24, 1, 99, ["abc"])
    assert (
        "24 of 99 runs are done, 1 diverged and are in no pair; tasks A, B, C, D, E, F; seeds 0, 1; commit abc."
        in text
    )
    assert "1 holds, 0 does not hold, 0 unclear, 1 not yet run" in text
    line = next(line for line in text.splitlines() if "| one |" in line)
    assert "| 57.6 → 70.3 | 50.0 → 52.0 (+2.0 ± 0.0) | 12, 0.000 | holds |" in line


def test_every_claim_gets_its_first_seed_before_any_gets_its_second(tmp_path):
    plan = measurements.Plan(digits.get_config, CLAIMS, ["R-M", "H-M"], 2, tmp_path)
    seeds = [[run.seed for run in some] + [one.config.seed for one in series] for some, series in plan.parts]
    flat = [seed for part in seeds for seed in part]
    assert flat == sorted(flat) and {*flat} == {0, 1}
    made = [run.config for some, _ in plan.parts for run in some]
    assert {(config.select, config.validators) for config in made} == {("last", "all")}
    planned = plan.so_far()[-1]
    assert planned == len(flat) == 2 * 2 * (len(measurements.cells(CLAIMS)) + len(catalogue.VARIANTS))


@pytest.mark.slow
def test_claims_are_run_resumed_and_written(tmp_path):
    short = ["--config.steps=4", "--config.segment=2", *SMALL]
    where = [f"--workdir={tmp_path / 'runs'}", f"--out={tmp_path / 'CLAIMS.md'}", "--tasks=R-S", "--seeds=1", *short]
    done = command("claims", "--only=biwaa", *where)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "CLAIMS.md").read_text()
    assert "runs are done, 0 diverged and are in no pair; tasks R-S; seeds 0;" in text
    assert all("not yet run" not in line for line in text.splitlines() if line.startswith("| BIWAA"))
    again = command("claims", "--only=biwaa", *where)
    assert again.stdout == f"{tmp_path / 'CLAIMS.md'}\n" and (tmp_path / "CLAIMS.md").read_text() == text


def test_a_paper_that_is_none_is_one_sentence(tmp_path):
    done = command("claims", "--only=biwa", "--write", f"--out={tmp_path / 'x.md'}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("claims.py: unknown paper 'biwa' in --only, did you mean 'biwaa'?")
    assert not (tmp_path / "x.md").exists()
