"""Which benchmarks there are: what is measured, by whose software, on which data, in which sizes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.frames import FEEDS

TICKWIRE = "Tickwire"
BATCHES = (1, 10, 100, 1_000, 10_000, 100_000)
SYMBOLS = (10, 100, 1_000, 5_000)
USUAL_BATCH, LARGE_BATCH, USUAL_SYMBOLS = 10_000, 100_000, 100
SIMULATED = "simulated"
APART = "simulated, 64 partitions"
DIRTY = "simulated, 1 % late, 1 % twice, 0.05 % lost, 0.2 % bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One benchmark, which runs in a process of its own.

    Attributes
    ----------
    name : of what is measured; cases of one name are compared with each other
    by : whose software it is
    prepare : ``module:function`` that gives the :class:`~benchmarks.harness.Prepared`
    batch : rows a call; 1 where the software takes one at a time
    trades : rows of one pass, all batches together
    sample : ``function`` of ``benchmarks.samples`` that writes what a peer is given, or None for Tickwire
    peer : whether it runs in the peers' environment
    quick : whether it belongs to a quick run
    """

    name: str
    prepare: str
    by: str = TICKWIRE
    data: str = SIMULATED
    batch: int = USUAL_BATCH
    symbols: int = USUAL_SYMBOLS
    trades: int
    processes: int = 1
    arguments: dict[str, Any] = field(default_factory=dict)
    sample: str | None = None
    peer: bool = False
    quick: bool = False

    def __str__(self) -> str:
        sizes = f"{self.batch:,} rows, {self.symbols:,} symbols"
        many = f", {self.processes} processes" if self.processes > 1 else ""
        return f"{self.name} · {self.by} · {self.data} · {sizes}{many}"


def cases() -> list[Case]:
    """Give all of them, in the order of the trades' way."""
    return [*_parsing(), *_receiving(), *_stages(), *_wire_formats(), *_indicators(), *_chains()]


def _trades(batch: int, *, most: int = 300_000) -> int:
    """Give the rows of a pass: fewer where calls, not rows, are what takes the time."""
    return {1: 10_000, 10: 50_000, 100: 100_000}.get(batch, most if batch < LARGE_BATCH else max(most, 400_000))


def _sizes(name: str, prepare: str, **more: Any) -> Iterator[Case]:
    """Give the cases of one stage: each batch size, and at large batches each number of symbols."""
    for batch in BATCHES:
        quick = batch == USUAL_BATCH
        yield Case(name=name, prepare=prepare, batch=batch, trades=_trades(batch), quick=quick, **more)
    for symbols in SYMBOLS:
        if symbols != USUAL_SYMBOLS:
            trades = _trades(LARGE_BATCH)
            yield Case(name=name, prepare=prepare, batch=LARGE_BATCH, symbols=symbols, trades=trades, **more)


def _parsing() -> Iterator[Case]:
    yield from _sizes("parse binance", "benchmarks.stages:parse", arguments={"feed": "binance"})
    for feed in FEEDS:
        one: dict[str, Any] = {"arguments": {"feed": feed}, "trades": 200_000}
        if feed != "binance":
            yield Case(name=f"parse {feed}", prepare="benchmarks.stages:parse", quick=True, **one)
        if feed in ("binance", "coinbase"):
            yield Case(name=f"parse {feed}", prepare="benchmarks.stages:parse_recorded", data="recorded", **one)
        by = f"{TICKWIRE}, frames that match no layout"
        readable: dict[str, Any] = {"arguments": {"feed": feed}, "trades": 20_000, "batch": 1, "by": by}
        yield Case(name=f"parse {feed}", prepare="benchmarks.stages:parse_readable", **readable)
    peers = (
        ("cryptofeed", "cryptofeed", ("binance-aggregates", "coinbase-advanced")),
        ("ccxt", "ccxt", FEEDS),
        ("nautilus_trader", "nautilus", ("binance",)),
        ("msgspec and Decimal", "plain", ("binance", "coinbase", "kraken")),
    )
    for by, module, feeds in peers:
        for feed in feeds:
            yield Case(
                name=f"parse {feed.removesuffix('-aggregates')}",
                by=by,
                data=f"{SIMULATED} aggTrades" if feed.endswith("-aggregates") else SIMULATED,
                prepare=f"benchmarks.peers.{module}:prepare",
                batch=1,
                trades=20_000,
                arguments={"feed": feed},
                sample="feed_sample",
                peer=True,
                quick=feed in ("binance", "binance-aggregates"),
            )


def _receiving() -> Iterator[Case]:
    for tls in (False, True):
        name, trades = f"receive{' over TLS' if tls else ''}", 100_000 if tls else 200_000
        one: dict[str, Any] = {"name": name, "batch": 1, "trades": trades, "data": SIMULATED}
        if not tls:
            arguments: dict[str, Any] = {"way": "socket"}
            yield Case(by="the socket alone", prepare="benchmarks.receive:receive", arguments=arguments, **one)
            arguments = {"way": "count"}
            yield Case(by="picows, only counted", prepare="benchmarks.receive:receive", arguments=arguments, **one)
        arguments = {"way": "bytes", "tls": tls}
        one_quick = one | {"quick": not tls}
        yield Case(by="picows, as Tickwire", prepare="benchmarks.receive:receive", arguments=arguments, **one_quick)
        for library in ("websockets", "aiohttp"):
            yield Case(
                by=library,
                prepare="benchmarks.peers.receiving:prepare",
                arguments={"library": library, "tls": tls},
                sample="socket_sample",
                peer=True,
                **one,
            )


def _stages() -> Iterator[Case]:
    yield from _sizes("validate", "benchmarks.stages:validate")
    dirty: dict[str, Any] = {"arguments": {"dirty": True}, "trades": 300_000, "data": DIRTY}
    yield Case(name="validate", prepare="benchmarks.stages:validate", quick=True, **dirty)
    yield from _sizes("encode", "benchmarks.stages:encode_records")
    yield from _sizes("decode", "benchmarks.stages:decode_records")
    yield from _sizes("bars", "benchmarks.stages:bars")
    yield from _sizes("order flow", "benchmarks.stages:order_flow")


def _wire_formats() -> Iterator[Case]:
    for name in ("encode", "decode"):
        for by, layout in (("Arrow IPC, zstd", "arrow"), ("JSON lines", "lines")):
            one: dict[str, Any] = {"arguments": {"layout": layout}, "trades": 100_000, "by": by}
            yield Case(name=name, prepare=f"benchmarks.wire_formats:{name}_as", quick=True, **one)


def _indicators() -> Iterator[Case]:
    yield from _sizes("indicators", "benchmarks.stages:indicators")
    for library, by in (("talib", "TA-Lib, 250 bars anew"), ("talipp", "talipp, six of the nine")):
        yield Case(
            name="indicators",
            by=by,
            prepare="benchmarks.peers.indicators:prepare",
            batch=1,
            symbols=20,
            trades=400,
            arguments={"library": library},
            sample="bar_sample",
            peer=True,
            quick=True,
        )


def _chains() -> Iterator[Case]:
    yield from _sizes("JSON to features", "benchmarks.chains:json_to_features")
    prepare = "benchmarks.chains:json_to_features"
    one: dict[str, Any] = {"name": "JSON to features", "trades": 300_000}
    for feed in ("coinbase", "kraken"):
        yield Case(prepare=prepare, arguments={"feed": feed}, data=f"{SIMULATED} {feed}", **one)
    yield Case(prepare=prepare, arguments={"dirty": True}, data=DIRTY, quick=True, **one)
    yield Case(prepare=prepare, processes=2, **one)
    # As the platform has it: a record holds one of the partitions that the symbols are spread over.
    apart: dict[str, Any] = {"data": APART, "symbols": 5_000, "trades": 1_280_000, "arguments": {"partitions": 64}}
    yield Case(name="JSON to features", prepare=prepare, **apart)
    yield Case(name="wire to features", prepare="benchmarks.chains:wire_to_features", **apart)
    yield from _sizes("wire to features", "benchmarks.chains:wire_to_features")
    yield Case(name="wire to features", prepare="benchmarks.chains:wire_to_features", processes=2, trades=300_000)
    yield Case(name="trades to features", prepare="benchmarks.chains:trades_to_features", trades=300_000)
    for tls in (False, True):
        yield Case(
            name=f"socket to features{' over TLS' if tls else ''}",
            prepare="benchmarks.receive:socket_to_features",
            arguments={"tls": tls},
            trades=100_000 if tls else 300_000,
            quick=not tls,
        )
