"""CITATION.cff, by hand: no reader of YAML is among the requirements."""

import pathlib
import re
import tomllib

import tfuda

ROOT = pathlib.Path(__file__).parent.parent
TEXT = (ROOT / "CITATION.cff").read_text("utf-8")


def top() -> dict[str, str]:
    """Keys of the first level, and what stands behind them."""
    found = [re.fullmatch(r"([\w-]+): *(.*)", line) for line in TEXT.splitlines() if not line.startswith((" ", "#"))]
    assert all(found)
    return {match[1]: match[2].strip('"') for match in found}


def test_the_citation_says_what_the_project_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    keys = top()
    assert {"cff-version": "1.2.0", "type": "software", "title": project["name"]}.items() <= keys.items()
    assert (keys["version"], keys["license"]) == (tfuda.__version__, project["license"])
    assert keys["message"] and "\n  - name:" in TEXT


def test_the_five_papers_are_referred_to_with_all_that_a_reference_needs():
    _, *papers = re.split(r"^  - type: ", TEXT.partition("\nreferences:\n")[2], flags=re.M)
    assert len(papers) == 5
    for paper in papers:
        assert paper.startswith("conference-paper\n")
        assert all(
            re.search(rf"^    {key}: *\S", paper, re.M) for key in ("title", "year", "collection-title", "url")
        )
        assert re.search(r"^    authors:\n(      - \{family-names: [\w-]+, given-names: [\w-]+\}\n){4,}", paper, re.M)
    assert re.findall(r"^    year: (\d+)$", TEXT, re.M) == ["2021", "2023", "2020", "2019", "2018"]
