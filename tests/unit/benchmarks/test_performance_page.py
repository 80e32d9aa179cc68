"""The page says what was measured."""

from dataclasses import replace
from pathlib import Path

from benchmarks.page import PAGE, page
from benchmarks.results import PLOT, Report, read


def test_the_page_is_made_from_the_last_official_run() -> None:
    assert PAGE.read_text() == page(read()), "run `python -m benchmarks.page`"


def test_the_plot_is_there_and_small() -> None:
    assert 1_000 < PLOT.stat().st_size < 200_000
    assert PLOT.read_text().lstrip().startswith("<?xml")


def test_the_page_names_every_software_that_was_measured() -> None:
    text = PAGE.read_text()
    for one in read().results:
        if "no layout" not in one.by:
            assert one.by in text


def test_a_page_without_peers_or_platform_is_still_whole(tmp_path: Path) -> None:
    report = read()
    ours = [one for one in report.results if one.by == "Tickwire"]
    path = tmp_path / "report.json"
    Report(report.machine, [replace(one, facts={}) if one.name == "bars" else one for one in ours]).write(path)
    text = page(read(path))
    assert "Not measured in this run" in text
    assert "<<" not in text
