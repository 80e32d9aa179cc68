"""The tables of ``docs/cost.md``, between markers: ``<!-- name -->`` and ``<!-- end -->``."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

from benchmarks.results import read as read_results
from benchmarks.table import markdown
from benchmarks.volumes import Share
from cdk.costs.flow import Flow, divisions, flow_of
from cdk.costs.inventory import read as read_inventory
from cdk.costs.items import Item, items, state_bytes
from cdk.costs.load import SCENARIOS, Scenario
from cdk.costs.replay import replay_units
from cdk.costs.stream import stream_cost
from cdk.settings import StageSettings, settings_of
from cdk.source import PROJECT

PAGE = PROJECT / "docs" / "cost.md"
_MARKED = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_LARGEST = 12
_FORMAT_LOAD = 2_300_000
_Change: TypeAlias = Callable[[StageSettings], dict[str, Any]]


def written(text: str) -> str:
    """Give the page with its tables made anew.

    Raises
    ------
    KeyError
        If it asks for a table that there is not.
    """
    return _MARKED.sub(lambda part: f"{part[1]}{chr(10).join(_TABLES[part[2]]())}\n{part[3]}", text)


@cache
def flow(scenario: Scenario) -> Flow:
    """Give a scenario's flow."""
    return flow_of(settings_of(scenario.stage), scenario.load)


def bill(scenario: Scenario) -> list[Item]:
    """Give a scenario's lines."""
    return items(flow(scenario), read_inventory(scenario.stage))


def dollars(usd: float) -> str:
    """Give an amount as it is worth reading: three digits, and nothing below a dollar."""
    if usd < 0.5:
        return "–"
    rounded = float(f"{usd:.3g}")
    return f"{rounded:,.0f}"


def _by_service() -> list[str]:
    bills = [bill(scenario) for scenario in SCENARIOS]
    services = dict.fromkeys(line.service for lines in bills for line in lines)
    sums = {name: [_sum(lines, name) for lines in bills] for name in services}
    order = sorted(sums, key=lambda name: -sums[name][-1])
    rows = [(name, *map(dollars, sums[name])) for name in order]
    rows.append(("**all**", *(f"**{dollars(sum(line.usd for line in lines))}**" for lines in bills)))
    return markdown(("US dollars a month", *(scenario.title for scenario in SCENARIOS)), rows)


def _sum(lines: Iterable[Item], service: str) -> float:
    return sum(line.usd for line in lines if line.service == service)


def _largest() -> list[str]:
    loads = [scenario for scenario in SCENARIOS if scenario.load.trades]
    bills = [{(line.service, line.what): line.usd for line in bill(scenario)} for scenario in loads]
    order = sorted(bills[-1], key=lambda key: -sum(one.get(key, 0) / sum(one.values()) for one in bills))
    rows = []
    for key in order[:_LARGEST]:
        shares = (f"{100 * one.get(key, 0) / sum(one.values()):.0f} %" for one in bills)
        rows.append((f"{key[0]}: {key[1]}", *shares))
    return markdown(("share of the bill", *(scenario.title for scenario in loads)), rows)


def _needs() -> list[str]:
    flows = [(scenario, flow(scenario)) for scenario in SCENARIOS if scenario.load.trades]
    rows = [
        ("symbols", *(f"{one.load.symbols:,}" for _, one in flows)),
        ("clients", *(f"{one.load.clients:,}" for _, one in flows)),
        ("`partitions`", *(_against(one.settings.partitions, name, "partitions") for name, one in flows)),
        ("`stream.shards`", *(_against(one.settings.stream.shards, name, "shards") for name, one in flows)),
        ("raw records a second", *(_digits(one.volumes.raw_records * one.partitions) for _, one in flows)),
        *(
            (f"{label}, MB/s", *(f"{getattr(one.volumes, name) * one.partitions / 1e6:,.2f}" for _, one in flows))
            for label, name in (("raw", "raw_bytes"), ("clean", "clean_bytes"), ("events", "event_bytes"))
        ),
        *(
            (f"{name}, invocations a second", *(_digits(one.invocations(name)) for _, one in flows))
            for name in ("validator", "signals", "broadcaster")
        ),
        ("state written, MB/s", *(f"{state_bytes(one) / 1e6:,.2f}" for _, one in flows)),
        (
            "write units of last values a second",
            *(_digits(one.volumes.write_units * one.partitions) for _, one in flows),
        ),
        ("write units of the replay log a second", *(_digits(replay_units(one)) for _, one in flows)),
        ("rows upserted a second", *(_digits(one.volumes.rows * one.partitions) for _, one in flows)),
    ]
    return markdown(("", *(scenario.title for scenario, _ in flows)), rows)


def _against(value: int, scenario: Scenario, what: str) -> str:
    """Give a number, and the stage's own where that is another one."""
    settings = settings_of(scenario.stage)
    own = settings.partitions if what == "partitions" else settings.stream.shards
    return f"{value:,}" if value == own else f"{value:,} (set: {own})"


def _digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):,.0f}"


_CHANGED = tuple(scenario for scenario in SCENARIOS if 0 < scenario.load.trades <= 100_000)
_CHANGES: Mapping[str, _Change] = {
    "`stream.retention_hours = 24`": lambda s: {
        "stream": s.stream.model_dump() | {"retention_hours": 24},
        "max_record_age_seconds": 72_000,
    },
    "`stream.shards = 0` (on demand)": lambda s: {"stream": s.stream.model_dump() | {"shards": 0}},
    "`ingestor.holders = 1`": lambda s: {"ingestor": s.ingestor.model_dump() | {"holders": 1}},
    "`ingestor.flush_milliseconds = 100`": lambda s: {
        "ingestor": s.ingestor.model_dump() | {"flush_milliseconds": 100}
    },
    "validator, signals, broadcaster polled (`fan_out = false`)": lambda s: {
        "consumers": {name: one.model_dump() | {"fan_out": False} for name, one in s.consumers.items()}
    },
}


def _changes() -> list[str]:
    totals = [sum(line.usd for line in bill(scenario)) for scenario in _CHANGED]
    rows = []
    for label, change in _CHANGES.items():
        cells = []
        for scenario, total in zip(_CHANGED, totals, strict=True):
            lines = items(flow_of(_changed(scenario, change), scenario.load), read_inventory(scenario.stage))
            cells.append(f"{100 * (sum(line.usd for line in lines) / total - 1):+.0f} %")
        rows.append((label, *cells))
    return markdown(("the bill changes by", *(scenario.title for scenario in _CHANGED)), rows)


def _changed(scenario: Scenario, change: _Change) -> StageSettings:
    settings = settings_of(scenario.stage)
    return settings.changed(**change(settings))


def shares_of_page() -> Iterator[Share]:
    """Give what is measured for the page: a partition's work in each scenario, and in each with settings changed."""
    settings = [(settings_of(scenario.stage), scenario.load) for scenario in SCENARIOS]
    settings += [(_changed(scenario, change), scenario.load) for scenario in _CHANGED for change in _CHANGES.values()]
    for one, load in settings:
        yield from (share for _, share in divisions(one, load))


def _formats() -> list[str]:
    # The measured record that is nearest to that of the load, 2.3 M / (64 / 0.05 s) = 1,797 trades, and smaller.
    sizes = {
        one.by: one.facts["bytes_a_trade"]
        for one in read_results().find("encode", symbols=100)
        if one.by != "Tickwire" or one.batch == 1_000
    }
    rows = []
    for by, size in sizes.items():
        cost = stream_cost(size, partitions=64, flush_seconds=0.05, twins=2, load=_FORMAT_LOAD)
        rows.append((by, f"{size:.1f}", f"{cost.megabytes:,.0f}", f"{cost.shards:,}", dollars(cost.usd)))
    return markdown(("format", "bytes a trade", "MB a second", "shards", "US dollars a month"), rows)


_TABLES = {
    "services": _by_service,
    "largest": _largest,
    "needs": _needs,
    "changes": _changes,
    "formats": _formats,
}
