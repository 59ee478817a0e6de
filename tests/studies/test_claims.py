"""Claims: that each is printed somewhere, how it is judged, the order of the runs, and the page."""

import itertools

import numpy as np
import pytest
from commands import ROOT, command
from readme_commands import SMALL_VIEW
from scipy.stats import ttest_1samp

from tfuda.studies import kept_results, published_numbers, significance, tables
from tfuda.studies.claims import catalogue, measurements, page, verdicts
from tfuda.studies.claims.catalogue import CLAIMS, SETTINGS, Claim, chain


def values(tasks="ABCDEF", **gains):
    """{row: ...} over tasks and two seeds, each row above `base` by its gain on all."""
    places = [(task, seed) for task in tasks for seed in (0, 1)]
    return {name: dict.fromkeys(places, 50.0 + gain) for name, gain in {"base": 0.0, **gains}.items()}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.paper} {claim.says}")
def test_the_papers_numbers_of_a_claim_go_the_way_that_it_says(claim):
    assert page.printed(claim)
    for worse, better in claim.steps:
        assert claim.printed or verdicts.gap(claim, worse, better) > 0


def test_rows_of_another_name_have_the_papers_numbers():
    found = {claim.says: (page.printed(claim), verdicts.gap(claim, *claim.steps[0])) for claim in CLAIMS}
    assert found["translated pictures beside the source help"] == ("45.6 → 78.5", pytest.approx(78.5 - 45.6))
    assert found["EM-A, without the lag, is worse"] == ("71.1 → 80.9", pytest.approx(80.9 - 71.1))
    assert found["ToAlign improves HDA with several sources"] == ("47.3 → 48.2", pytest.approx(48.2 - 47.3))


def test_the_five_papers_have_claims():
    assert {claim.paper for claim in CLAIMS} == {*published_numbers.TITLES}


def test_a_step_is_a_paired_comparison_over_tasks():
    low = {("A", 0): 10.0, ("A", 1): 20.0, ("B", 0): 30.0, ("C", 5): 1.0}
    high = {("A", 0): 13.0, ("A", 1): 21.0, ("B", 0): 29.0}
    found = verdicts.step({"low": low, "high": high}, "low", "high")
    assert (found.worse, found.better, found.tasks) == ((15.0 + 30.0) / 2, (17.0 + 29.0) / 2, 2)
    assert found.gain == pytest.approx((2.0 - 1.0) / 2)  # A gains (3 + 1) / 2 over its seeds
    assert found.error == pytest.approx(np.std([2.0, -1.0], ddof=1) / np.sqrt(2))
    assert found.p == 1.0  # of 4 sums of ±2 ±1 all are at least 1
    assert verdicts.step({"low": low}, "low", "high") is None


def test_seeds_do_not_make_a_small_p():
    rng = np.random.default_rng(0)
    low = {("A", seed): 50.0 for seed in range(20)}
    high = {("A", seed): 55.0 + rng.normal() for seed in range(20)}
    assert verdicts.step({"low": low, "high": high}, "low", "high").p == 1.0


def test_the_tasks_that_a_gap_needs():
    # t(97.5 %) + t(80 %) is 2.145 + 0.868 for 14 degrees: 15 tasks show 0.778, and 14 show 0.808
    assert verdicts.tasks_needed(1.0, 0.8) == 15
    assert verdicts.tasks_needed(1.0, 0.001) == verdicts.MOST
    assert verdicts.tasks_needed(1.0, 50.0) == 6  # five tasks have no p below 2 / 2^5 = 0.0625
    gains = {("A", 0): 51.0, ("B", 0): 49.0, ("C", 0): 50.5}
    base = dict.fromkeys(gains, 50.0)
    found = verdicts.step({"a": base, "b": gains}, "a", "b", 1.1)
    assert found.needed == verdicts.tasks_needed(float(np.std([1, -1, 0.5], ddof=1)), 1.1)
    assert found.verdict == "too small to tell here"
    known = values(more=0.1)
    known["more"]["A", 0] = 40.0
    assert verdicts.step(known, "base", "more", 50.0).verdict == "unclear"  # six tasks are enough for such a gap


def test_the_tasks_that_a_gap_needs_show_it_in_four_of_five_experiments():
    n = verdicts.tasks_needed(1.0, 0.8)
    found = np.random.default_rng(0).normal(0.8, 1.0, (5000, n))
    assert np.mean(ttest_1samp(found, 0.0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.02)
    flips = [significance.sign_flip(each) < 0.05 for each in found[:20]]
    assert 12 <= sum(flips) <= 20


@pytest.mark.parametrize(
    "gains, wanted",
    [
        ({"a": 1.0, "b": 2.0}, "holds"),
        ({"a": 1.0, "b": 0.5}, "does not hold"),  # nine tasks: 2 * 0.004
        ({"tasks": "ABCDEF", "a": 1.0, "b": 0.5}, "unclear"),  # six: 2 * 0.031
        ({"a": 1.0, "b": 1.0}, "unclear"),
        ({"a": 1.0}, "not yet run"),
        ({"a": -1.0}, "does not hold"),
    ],
)
def test_a_claim_holds_where_all_of_its_steps_do(gains, wanted):
    known = values(**{"tasks": "ABCDEFGHI"} | gains)
    assert verdicts.verdict([verdicts.step(known, *pair) for pair in chain("base", "a", "b")]) == wanted


def step(gain, p):
    return verdicts.Step(50.0, 50.0 + gain, gain, 0.1, 9, p, 0, 1)


@pytest.mark.parametrize(
    "steps, p, said",
    [
        ([step(1.0, 0.01), step(1.0, 0.03)], 0.03, "holds"),  # all have to gain: the largest
        (
            [step(1.0, 0.50), step(-1.0, 0.01), step(-1.0, 0.004)],
            3 * 0.004,
            "does not hold",
        ),  # one that loses is enough
        ([None, step(-1.0, 0.004)], 2 * 0.004, "does not hold"),
        ([step(1.0, 0.01), step(-1.0, 0.03)], 0.03, "unclear"),  # 2 * 0.03 is above 0.05
        ([None, step(-1.0, 0.03)], None, "not yet run"),
        ([step(-1.0, 0.60), step(-1.0, 0.70)], 0.70, "unclear"),
    ],
)
def test_p_of_a_claim_is_of_all_its_steps_or_of_any_that_loses(steps, p, said):
    assert verdicts.claim_p(steps) == p and verdicts.verdict(steps) == said
    assert verdicts.contradiction([step(-1.0, 0.60), step(-1.0, 0.70)]) == 1.0


def test_holms_correction_takes_the_p_of_each_claim():
    some = [Claim("gsda", "3", str(i), chain("dann", "gsda")) for i in range(3)]
    found = {
        some[0]: [step(1.0, 0.5), step(-1.0, 0.004)],
        some[1]: [step(1.0, 0.01), step(1.0, 0.02)],
        some[2]: [step(1.0, 0.01), None],
    }
    assert verdicts.corrected(found) == {some[0]: 2 * (2 * 0.004), some[1]: 0.02}


def test_the_page_says_how_far_it_came_and_counts_the_verdicts():
    claims = [Claim("gsda", "3", "one", chain("dann", "gsda")), Claim("tada", "2", "two", chain("dann", "tada"))]
    known = {"single": {"dann": values()["base"], "gsda": values(up=2.0)["up"]}}
    text = page.markdown(claims, known, {}, (24, 99), ["abc"])
    assert "24 of 99 runs are done; seeds 0, 1; commit abc." in text
    counts = "1 holds, 0 does not hold, 0 not contradicted, 0 unclear, 0 too small to tell here, 1 not yet run"
    assert f"Of the claims: {counts}.\n" in text
    line = next(line for line in text.splitlines() if "| one |" in line)
    assert "| 57.6 → 70.3 | 50.0 → 52.0 (+2.0 ± 0.0) | 6 × 2, 0.031 | 0.031 | holds |" in line


def spread(width, tasks="ABCDEF"):
    return {(task, seed): 50.0 + width * seed for task in tasks for seed in (0, 1)}


@pytest.mark.parametrize(
    "before, after, wanted",
    [
        (spread(1), spread(3), ["deviation 0.71 → 2.12", "6, 0.031", "", "does not hold"]),
        (spread(3), spread(1), ["deviation 2.12 → 0.71", "6, 0.031", "", "not contradicted"]),
        (spread(1), spread(1), ["deviation 0.71 → 0.71", "6, 1.000", "", "not contradicted"]),
        (
            spread(1, "ABCDE"),
            spread(3, "ABCDE"),
            ["deviation 0.71 → 2.12", "5, 0.062", "", "too small to tell here: needs n = 6"],
        ),
        (spread(1), {}, ["—", "—", "", "not yet run"]),
    ],
)
def test_spread_over_seeds_is_compared_over_tasks_and_never_found(before, after, wanted):
    found = {"dannp": before, "dannp+toalign": after}
    assert page.steady_line(catalogue.STEADY[0], found)[3:] == wanted


def test_the_page_counts_what_is_not_contradicted():
    known = {"single": {"dannp": spread(3), "dannp+toalign": spread(1)}}
    text = page.markdown([claim for claim in CLAIMS if claim.paper == "toalign"], known, {}, (24, 99), ["abc"])
    assert ", 1 not contradicted, " in text and "| 6, 0.031 |  | not contradicted |" in text


def test_notes_are_numbered_below_the_table():
    some = [
        Claim("gsda", "3", "one", chain("dann", "gsda")),
        Claim("gsda", "3", "two", chain("cdane", "gsda"), note="Of two and four."),
        Claim("tada", "2", "three", chain("dann", "tada"), note="Of three."),
        Claim("tada", "2", "four", chain("mada", "tada"), setting="shots", note="Of two and four."),
    ]
    text = page.markdown(some, {}, {}, (0, 9), [])
    says = [line.split(" | ")[1] for line in text.splitlines() if line.startswith(("| GSDA", "| TADA"))]
    assert says == ["one", "two (note 1)", "three (note 2)", f"four ({SETTINGS['shots'].title}) (note 1)"]
    assert text.count("Of two and four.") == 1
    assert "|\n\nNote 1: Of two and four.\n\nNote 2: Of three.\n\n    make claims\n" in text
    assert "Note" not in page.markdown(some[:1], {}, {}, (0, 9), [])


def test_claims_that_a_paper_does_not_make_have_a_note():
    noted = {claim.says for claim in CLAIMS if claim.note}
    assert {"the order of the table: DANNP, GVB, HDA", "BIWAA improves MSTN", "regions weigh 1 - H, not H"} < noted
    assert len(noted) == 5  # and two of functions before s


def test_the_page_is_what_the_kept_results_say(tmp_path):
    made = measurements.jobs(CLAIMS, "emoji", 3, tmp_path)
    text = page.of_jobs(CLAIMS, made, tmp_path, ROOT / "docs" / "results" / "emoji")
    again = "python run/claims.py --write --known=docs/results/emoji --out=docs/claims.md"
    assert (ROOT / "docs" / "claims.md").read_text("utf-8") == text, f"run {again}"


def test_a_setting_has_the_rows_of_its_claims_and_kept_results_are_read(tmp_path):
    made = measurements.jobs(CLAIMS, "emoji", 1, tmp_path / "runs")
    assert list(made) == list(SETTINGS)
    for name, job in made.items():
        assert {run.cell for run in job.runs} == {*measurements.rows(CLAIMS, name)}
        assert {run.task for run in job.runs} == {*SETTINGS[name].tasks}
    assert {run.config.shots for run in made["shots"].runs} == {1}
    assert {run.rounds for run in made["tail"].runs} == {3}
    some = made["single"].runs[:2]
    result = {"last": 0.5, "selected": 0.5, "oracle": 0.5, "source": 0.9, "seconds": 1.0, "metric": "accuracy"}
    rows = [tables.row(run.cell, run.task, run.seed, result, "c0ffee") for run in some]
    (tmp_path / "kept").mkdir()
    tables.write_report(rows, tmp_path / "kept")
    kept_results.write_about(some, rows, tmp_path / "kept")
    known = measurements.sources(tmp_path / "kept", "single")
    assert measurements.sources(tmp_path / "kept", "shots") == []
    ended = measurements.ended(made["single"], known)
    assert measurements.values(ended) == {run.cell: {(run.task, 0): 50.0} for run in some}
    assert {row["commit"] for row in ended} == {"c0ffee"}


@pytest.mark.slow
def test_claims_are_run_resumed_and_written(tmp_path):
    short = ["--config.steps=4", "--config.segment=4", "--config.views=0", "--config.batch=8", *SMALL_VIEW]
    asked = ["--only=biwaa", "--settings=rounds", "--tasks=T-G", "--seeds=1", *short]
    where = [f"--workdir={tmp_path / 'runs'}", f"--out={tmp_path / 'CLAIMS.md'}", *asked]
    done = command("claims", *where)
    assert (done.returncode, done.stderr) == (0, "")
    text = (tmp_path / "CLAIMS.md").read_text()
    assert "runs are done; seeds 0;" in text
    missing = [line for line in text.splitlines() if line.startswith("| BIWAA") and "not yet run" in line]
    others = [claim for claim in CLAIMS if claim.paper == "biwaa" and claim.setting != "rounds"]
    assert 0 < len(missing) == len(others)
    again = command("claims", "--write", *where)
    assert again.stdout == f"{tmp_path / 'CLAIMS.md'}\n" and (tmp_path / "CLAIMS.md").read_text() == text


@pytest.mark.parametrize("flag, wrong, right", [("only", "biwa", "biwaa"), ("settings", "shot", "shots")])
def test_a_name_that_is_none_is_one_sentence(tmp_path, flag, wrong, right):
    done = command("claims", f"--{flag}={wrong}", "--write", f"--out={tmp_path / 'x.md'}")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"claims.py: unknown name '{wrong}' in --{flag}, did you mean '{right}'?")
    assert not (tmp_path / "x.md").exists()


def test_no_step_compares_a_row_with_itself():
    assert all(one != other for claim in CLAIMS for one, other in claim.steps)
    assert len({*itertools.chain(*(claim.steps for claim in CLAIMS))}) > 30
