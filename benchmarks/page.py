"""Makes docs/performance.md from the last official run: ``python -m benchmarks.page``."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.cases import (
    APART,
    BATCHES,
    DIRTY,
    LARGE_BATCH,
    SIMULATED,
    SYMBOLS,
    TICKWIRE,
    USUAL_BATCH,
    USUAL_SYMBOLS,
)
from benchmarks.results import Report, Result, read
from benchmarks.table import markdown, rate

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_TEMPLATE = Path(__file__).with_name("performance_page.md")
_SLOT = re.compile(r"<<([a-z]+)>>")
_NONE = "–"

_SIZED = {
    "parse binance": "parse Binance",
    "validate": "validate",
    "encode": "encode",
    "decode": "decode",
    "bars": "bars",
    "order flow": "order flow",
    "indicators": "indicators",
    "JSON to features": "JSON to features",
    "wire to features": "wire to features",
}
_CHAINS = (
    "JSON to features",
    "wire to features",
    "trades to features",
    "socket to features",
    "socket to features over TLS",
)
_COMPARED = (
    *("parse binance", "parse coinbase", "parse coinbase-advanced", "parse kraken", "parse okx"),
    *("encode", "decode", "indicators"),
)


def page(report: Report) -> str:
    """Give the whole page.

    Raises
    ------
    KeyError
        If the text asks for a table that there is not.
    """
    return _SLOT.sub(lambda slot: "\n".join(_TABLES[slot[1]](report)), _TEMPLATE.read_text())


def _machine(report: Report) -> list[str]:
    machine = report.machine
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    text = (
        f"Measured on {machine['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']:g} GiB,"
        f" {machine['system']}, Python {machine['python']}, {packages}."
    )
    return [text]


def _chains(report: Report) -> list[str]:
    rows = [
        (
            one.name,
            "dirty" if one.data == DIRTY else one.data,
            f"{one.batch:,}",
            str(one.processes),
            rate(one.rows_per_cpu_second),
            rate(one.rows_per_second),
        )
        for name in _CHAINS
        for one in report.find(name, symbols=USUAL_SYMBOLS)
        if one.batch in (USUAL_BATCH, LARGE_BATCH)
    ]
    return markdown(("trades", "data", "rows a call", "processes", "a CPU second, each", "a second, all"), rows)


def _latency(report: Report) -> list[str]:
    one = _ours(report, "JSON to features", 100, USUAL_SYMBOLS)
    if one is None or "call_us_p99" not in one.facts:
        return ["Not measured in this run."]
    p50, p99 = (f"{one.facts[f'call_us_p{percent}'] / 1_000:.2f} ms" for percent in (50, 99))
    return [f"A call of 100 trades, from JSON to features, takes {p50} (p50) and {p99} (p99) by the wall."]


def _budget(report: Report) -> list[str]:
    names = ("receive", "parse binance", "validate", "bars", "order flow", "decode", "encode")
    found = [(name, one) for name in names if (one := _usual(report, name)) is not None]
    return markdown([name for name, _ in found], [[f"{1e9 / one.rows_per_cpu_second:.0f}" for _, one in found]])


def _peers(report: Report) -> list[str]:
    rows = []
    for name in _COMPARED:
        ours = _usual(report, name)
        for one in report.find(name, symbols=USUAL_SYMBOLS) + report.find(name, symbols=20):
            usual = one.batch in (1, USUAL_BATCH) and one.data != DIRTY
            if not usual or (one.by == TICKWIRE and one.batch != USUAL_BATCH):
                continue
            times = f"{ours.rows_per_cpu_second / one.rows_per_cpu_second:.3g}×" if ours else _NONE
            size = one.facts.get("bytes_a_trade")
            shown = _NONE if size is None else f"{size:.1f}"
            rows.append((name, one.by, one.data, rate(one.rows_per_cpu_second), times, shown))
    return markdown(("what", "by", "data", "a CPU second", "Tickwire is faster by", "bytes a trade"), rows)


def _receive(report: Report) -> list[str]:
    rows = [
        (one.by, "TLS" if one.name.endswith("TLS") else "plain", rate(one.rows_per_cpu_second), _nanoseconds(one))
        for name in ("receive", "receive over TLS")
        for one in report.find(name)
    ]
    return markdown(("client", "connection", "frames a CPU second", "ns a frame"), rows)


def _batches(report: Report) -> list[str]:
    def cells(name: str) -> Iterable[str]:
        return (_cell(_ours(report, name, batch, USUAL_SYMBOLS)) for batch in BATCHES)

    return markdown(("stage", *(f"{batch:,}" for batch in BATCHES)), [(_SIZED[n], *cells(n)) for n in _SIZED])


def _symbols(report: Report) -> list[str]:
    def cells(name: str) -> Iterable[str]:
        return (_cell(_ours(report, name, LARGE_BATCH, symbols)) for symbols in SYMBOLS)

    return markdown(("stage", *(f"{one:,}" for one in SYMBOLS)), [(_SIZED[n], *cells(n)) for n in _SIZED])


def _partitions(report: Report) -> list[str]:
    rows = [
        (name, _cell(_usual(report, name)), _cell(many))
        for name in ("JSON to features", "wire to features")
        for many in report.find(name, by=TICKWIRE, batch=USUAL_BATCH, data=APART)
    ]
    return markdown(("batches of 10,000", "100 symbols", "5,000 symbols in 64 partitions"), rows)


def _memory(report: Report) -> list[str]:
    def cell(name: str, batch: int, symbols: int) -> str:
        found = _ours(report, name, batch, symbols)
        return _NONE if found is None else f"{found.peak_mib:.0f}"

    sizes = ((1, 100), (10_000, 100), (100_000, 100), (100_000, 5_000))
    head = ("MiB", *(f"{batch:,} rows, {symbols:,} symbols" for batch, symbols in sizes))
    return markdown(head, [(_SIZED[n], *(cell(n, *size) for size in sizes)) for n in _SIZED])


def _wire(report: Report) -> list[str]:
    ours = [_ours(report, "encode", batch, USUAL_SYMBOLS) for batch in BATCHES]
    rows = [(TICKWIRE, *(_NONE if one is None else f"{one.facts['bytes_a_trade']:.1f}" for one in ours))]
    for one in report.find("encode"):
        if one.by != TICKWIRE:
            sizes = (f"{one.facts['bytes_a_trade']:.1f}" if batch == one.batch else "" for batch in BATCHES)
            rows.append((one.by, *sizes))
    return markdown(("format", *(f"{batch:,}" for batch in BATCHES)), rows)


def _platform(report: Report) -> list[str]:
    run = report.platform
    if run is None:
        return ["Not measured in this run (`python -m benchmarks --platform`)."]
    latency = run["latency_ms"]
    rows = [("socket to screen", *map(_milliseconds, latency["socket_to_screen"].values()))]
    rows += [(f"hop to {name}", *map(_milliseconds, values.values())) for name, values in latency["stages"].items()]
    intro = (
        f"`tickwire run --rate {run['rate']} --seconds {run['seconds']}`: exchange, emulated cloud, databases and page"
        f" on the same cores. Of {run['trades']:,} trades that the exchange made, {run['stored']:,} were stored and"
        f" {run['missing']} are missing. Latency in ms:"
    )
    return [intro, "", *markdown(("from, to", *latency["socket_to_screen"]), rows)]


def _ours(report: Report, name: str, batch: int, symbols: int) -> Result | None:
    found = report.find(name, by=TICKWIRE, batch=batch, symbols=symbols, data=SIMULATED, processes=1)
    return found[0] if found else None


def _usual(report: Report, name: str) -> Result | None:
    if name == "receive":
        return next(iter(report.find(name, by="picows, as Tickwire")), None)
    return _ours(report, name, USUAL_BATCH, USUAL_SYMBOLS)


def _cell(result: Result | None) -> str:
    return _NONE if result is None else f"{result.rows_per_cpu_second / 1e6:.3g}"


def _nanoseconds(result: Result) -> str:
    return f"{1e9 / result.rows_per_cpu_second:,.0f}"


def _milliseconds(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.0f}"


_TABLES: dict[str, Callable[[Report], list[str]]] = {
    "machine": _machine,
    "chains": _chains,
    "latency": _latency,
    "budget": _budget,
    "peers": _peers,
    "receive": _receive,
    "batches": _batches,
    "symbols": _symbols,
    "partitions": _partitions,
    "memory": _memory,
    "wire": _wire,
    "platform": _platform,
}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(read()))


if __name__ == "__main__":
    main()
