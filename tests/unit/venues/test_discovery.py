"""Venues name themselves: which are found, in which order, and at what cost."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tickwire.venues
from tickwire.venues import discovery
from tickwire.venues.discovery import TEMPLATE, declared, load, venue_packages
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.history import HISTORIES
from tickwire.venues.registry import FEEDS

OLDEST = ["binance", "binance-us", "coinbase", "coinbase-advanced", "kraken"]


def pretend(monkeypatch: pytest.MonkeyPatch, *packages: str, **tables: dict[str, str]) -> None:
    """Let there be packages beside the real ones that all declare these tables."""
    for package in packages:
        module = ModuleType(f"tickwire.venues.{package}")
        vars(module).update(tables)
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_oldest_feeds_come_first_and_the_others_follow_by_name() -> None:
    assert list(FEEDS)[: len(OLDEST)] == OLDEST
    assert list(HISTORIES)[: len(OLDEST)] == OLDEST
    others = venue_packages()[len(discovery.FIRST) :]
    assert others == sorted(others)


def test_template_is_found_only_when_asked_for() -> None:
    assert "template" not in FEEDS
    assert declared("FEEDS", ["template"]) == {"template": "tickwire.venues.template.feed:TemplateFeed"}


def test_registries_load_no_venue() -> None:
    program = (
        "import sys, tickwire.venues.history, tickwire.venues.registry as registry\n"
        "print([m for m in sys.modules if m.startswith('tickwire.venues.') and m.count('.') == 3])\n"
        "registry.new_feed('kraken')\n"
        "print('tickwire.venues.kraken.parse' in sys.modules, 'tickwire.venues.binance.parse' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == ["[]", "True False"]


def test_feed_of_two_venues_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "one", "two", FEEDS={"same": "somewhere:Feed"})
    with pytest.raises(ValueError, match=r"FEEDS of tickwire\.venues\.two: 'same' is somewhere:Feed already"):
        declared("FEEDS", ["one", "two"])


@pytest.mark.parametrize("path", ["somewhere", "somewhere:", ":Feed", "somewhere:no class"])
def test_what_is_no_import_path_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "one", FEEDS={"same": path})
    with pytest.raises(ValueError, match="is no module:Class"):
        declared("FEEDS", ["one"])


def test_package_that_declares_nothing_adds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "one")
    assert declared("FEEDS", ["one"]) == {}


def test_copy_of_the_template_is_a_venue_without_another_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    template = Path(tickwire.venues.__path__[0]) / TEMPLATE
    copy = tmp_path / "zebra"
    copy.mkdir()
    for source in template.glob("*.py"):
        (copy / source.name).write_text(
            source.read_text().replace("template", "zebra").replace("Template", "Zebra"), encoding="utf-8"
        )
    monkeypatch.setattr(tickwire.venues, "__path__", [*tickwire.venues.__path__, str(tmp_path)])
    assert venue_packages()[-1] == "zebra"
    feeds, histories = declared("FEEDS"), declared("HISTORIES")
    assert list(feeds)[-1] == list(histories)[-1] == "zebra"
    feed, out = load(feeds["zebra"])(), ParsedFrames()
    trade = b'{"type":"trade","market":"BTC_USD","id":17,"price":"1.5","size":"2","taker":"buy","time":1783465205562}'
    feed.parse(trade, 1, out)
    assert out.trades.batch().instruments[0].venue == load(histories["zebra"])().venue == "zebra"
