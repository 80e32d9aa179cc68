"""The page says what was measured, and costs are what their arithmetic gives."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.cost import stream_cost
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


def test_a_streams_cost_follows_shards_units_and_gigabytes() -> None:
    # 10 records a second of 100 x 1,000 B = 100 kB each: 1 MB/s. Two twins at 0.7: ceil(2 / 0.7) = 3 shards.
    cost = stream_cost(100.0, partitions=10, flush_seconds=1.0, twins=2, load=10_000)
    assert cost.shards == 3
    assert cost.records == 20
    assert cost.megabytes == pytest.approx(2.0)
    # 20 records x 4 units x 3,600 s = 0.288 M units; 7.2 GB an hour.
    assert cost.provisioned == pytest.approx(3 * 0.03 + 0.288 * 0.014 + 7.2 * 0.013)
    # On demand each record is 98 KB = 100,352 B: 7.225344 GB.
    assert cost.on_demand == pytest.approx(0.04 + 7.225344 * 0.13)


def test_many_small_records_cost_shards_by_their_number() -> None:
    # 7,000 records a second of 10 B: 0.07 MB/s, but 7 shards by number, and 7 / 0.7 = 10.
    assert stream_cost(1.0, partitions=70, flush_seconds=0.01, twins=1, load=70_000).shards == 10
