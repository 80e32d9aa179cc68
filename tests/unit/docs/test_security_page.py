"""What docs/security.md promises of tests."""

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
PAGES = ("security.md", "dr.md")


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_the_page_names_is_there(page: str) -> None:
    text = (PROJECT / "docs" / page).read_text()
    named = set(re.findall(r"`((?:tests|cdk|docs|lambdas|local)/[\w/.-]+)`", text))
    assert named
    assert sorted(path for path in named if not (PROJECT / path).exists()) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_another_page_leads_somewhere(page: str) -> None:
    text = (PROJECT / "docs" / page).read_text()
    for target, anchor in re.findall(r"\]\(([\w./-]*\.md)?(#[\w-]+)?\)", text):
        found = PROJECT / "docs" / (target or page)
        assert found.is_file(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor[1:] in anchors, f"{target}{anchor}"


def test_every_threat_names_a_test() -> None:
    text = (PROJECT / "docs" / "security.md").read_text()
    table = text.partition("## Who is kept out of what")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 15
    assert [row for row in rows if not row.startswith("|---") and "`tests/" not in row.rpartition(" | ")[2]] == []
