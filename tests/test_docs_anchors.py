"""Citations of docs/: the page and the heading that code, configs and pages name are there."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parent.parent
FOLDERS = ("tfuda", "configs", "run", "tests")
CITED = re.compile(r"docs/((?:[\w-]+/)*[\w-]+\.md)(?:#([\w-]+))?")
LINKED = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([\w-]+))?\)")
HEADING = re.compile(r"^#+ .*\{#([\w-]+)\}\s*$", re.MULTILINE)
OLD = re.compile(r"METHODS [A-C]\d|\bM-[A-C]\d")


def sources() -> list[pathlib.Path]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    return [*found, *sorted(ROOT.glob("*.md"))]


def pages() -> list[pathlib.Path]:
    return sorted((ROOT / "docs").rglob("*.md"))


def anchors(page: pathlib.Path) -> list[str]:
    return HEADING.findall(page.read_text())


def broken(page: pathlib.Path, anchor: str) -> bool:
    return not page.is_file() or (bool(anchor) and anchor not in anchors(page))


def test_every_cited_page_and_anchor_exists():
    cited = [(path, *m) for path in (*sources(), *pages()) for m in CITED.findall(path.read_text())]
    wrong = [
        f"{path.relative_to(ROOT)}: {page}#{anchor}"
        for path, page, anchor in cited
        if broken(ROOT / "docs" / page, anchor)
    ]
    assert not wrong
    assert len({(page, anchor) for _, page, anchor in cited if anchor}) >= 30  # the pattern still finds them


def test_every_link_between_pages_leads_to_a_heading():
    wrong = []
    for path in pages():
        for page, anchor in LINKED.findall(path.read_text()):
            target = (path.parent / page) if page else path
            if target.suffix == ".md" and broken(target, anchor):
                wrong.append(f"{path.relative_to(ROOT)}: {page}#{anchor}")
    assert not wrong


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_anchors_of_a_page_are_unique(page):
    found = anchors(page)
    assert len(found) == len(set(found))


def test_nothing_cites_a_file_outside_the_repository():
    old = [f"{path.relative_to(ROOT)}: {m}" for path in (*sources(), *pages()) for m in OLD.findall(path.read_text())]
    assert not old


def test_a_broken_citation_is_seen():
    assert broken(ROOT / "docs" / "methods" / "index.md", "no-such-heading")
    assert broken(ROOT / "docs" / "no_such_page.md", "")
