"""What README.md and the pages in docs/ show is run as it stands there."""

import pathlib
import re

import pytest
from readme_commands import PAGES, ROOT, TEXT

from tfuda import names
from tfuda.cli import launch

README = (ROOT / "README.md").read_text("utf-8")
LINKING = [*PAGES, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]
MADE = {"saved_models/one", "saved_models/demo"}  # by the commands of the pages
PLACE = re.compile(r"`((?:tfuda|configs|run|tests|docs|saved_models)/[\w./-]*\w)`")


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", TEXT, re.S)


def test_the_quick_start_runs_and_is_short(capsys):
    code = next(block for block in blocks() if "get_config" in block)
    assert len(code.splitlines()) <= 12
    exec(
        code.replace('"R-S", 200', '"R-S", 4').replace("streams(config, task))", "streams(config, task), verbose=0)")
    )
    accuracy, predicted = capsys.readouterr().out.strip().splitlines()[-2:]
    assert 0 <= float(accuracy) <= 1 and len(re.findall(r"\d", predicted)) == 4


def test_every_command_has_the_flags_that_are_shown():
    lines = [line.strip() for line in TEXT.splitlines() if line.startswith("    python run/")]
    assert len(lines) > 50
    for line in lines:
        _, script, *words = line.split()
        text = (ROOT / "tfuda/cli/commands" / pathlib.Path(script).name).read_text("utf-8")
        for word in words:
            if word.startswith("--") and not word.startswith("--config"):
                name = word[2:].partition("=")[0]
                assert name in launch.SHARED or f'"{name}"' in text, line


def test_readme_is_short():
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", LINKING, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page):
    named = PLACE.findall(page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists() and name not in MADE] == []


def test_the_table_of_methods_says_what_each_accepts_and_links_to_its_paper():
    section = README.partition("\n## Methods\n")[2].partition("\n## ")[0]
    rows = [re.split(r" *\| *", line)[1:-1] for line in section.splitlines() if line.startswith("| [`")]
    methods = {re.search(r"`(\w+)`", row[0])[1]: row for row in rows if "+" not in row[0]}
    assert {*methods} == {*names.modules("methods")}
    for name, (_, _, _, several, shots, partial) in methods.items():
        refuses = names.resolve(name, "methods").refuses
        assert several != "–" and (shots == "–") == ("shots" in refuses), name
        assert partial == "own" or (partial == "✓ w") == ("pada" not in refuses), name
    for row in rows:
        file, *papers = re.findall(r"\]\(([^)]+)\)", " ".join(row))
        assert not papers or any(url in (ROOT / file).read_text("utf-8") for url in papers)
    assert {file.stem for kind in names.SEAMS for file in (ROOT / "tfuda" / f"{kind}s").glob("[a-z]*.py")} == {
        re.search(r"`\+(\w+)`", row[0])[1] for row in rows if "+" in row[0]
    }
