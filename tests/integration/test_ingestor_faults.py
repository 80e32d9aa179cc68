"""The ingestor against each fault of the local exchange that a connection can meet."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ecs_tasks.ingestor import connection as connection_module
from ecs_tasks.ingestor.dead_frames import DeadFrame
from ecs_tasks.ingestor.publisher import Payload
from ecs_tasks.ingestor.settings import FeedSettings, IngestorSettings
from ecs_tasks.ingestor.task import IngestorTask
from local.exchange.faults.order import FaultKind, FaultOrder
from local.exchange.floor import steady_clock
from local.exchange.server import Exchange
from local.exchange.source import SimulatorSource
from tickwire.envelope import decode
from tickwire.venues.feed import Feed
from tickwire.venues.registry import new_feed

DEADLINE = 30.0


class Running:
    """An ingestor of one feed at an exchange, with what it published."""

    def __init__(self, exchange: Exchange, port: int) -> None:
        self.exchange = exchange
        self.port = port
        self.ids: dict[str, list[int]] = {}
        self.notices: Counter[tuple[str, str]] = Counter()
        self.dead: list[DeadFrame] = []
        self.task: IngestorTask

    @contextlib.asynccontextmanager
    async def ingesting(self, feed: str, *symbols: str, **liveness: float) -> AsyncIterator["Running"]:
        """Run a task; at the end it must drain."""

        def quick(name: str) -> Feed:
            parser = new_feed(name)
            parser.liveness = replace(parser.liveness, **liveness)  # type: ignore[arg-type]
            return parser

        entry = FeedSettings(feed=feed, symbols=symbols, url=f"ws://127.0.0.1:{self.port}/{feed}")
        settings = IngestorSettings(
            feeds=(entry,), raw_stream="raw", frames_dlq_url="queue", partitions=1, health_port=0
        )
        self.task = IngestorTask(settings, put=self._put, send=self._send, new_feed=quick)
        run = asyncio.create_task(self.task.run())
        try:
            await self.eventually(lambda: all(len(self.ids.get(symbol, ())) > 20 for symbol in symbols))
            yield self
        finally:
            self.task.stop()
            assert await run

    async def order(self, kind: FaultKind, **order: Any) -> None:
        self.exchange.floor.faults.order([FaultOrder(kind=kind, **order)])

    async def eventually(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE):
            while not condition():  # noqa: ASYNC110 - many things change it
                await asyncio.sleep(0.01)

    async def more(self, symbol: str, count: int = 50) -> None:
        """Wait for further trades."""
        wanted = len(self.ids[symbol]) + count
        await self.eventually(lambda: len(self.ids[symbol]) >= wanted)

    @property
    def stats(self) -> dict[str, Any]:
        (stats,) = self.task.stats_json()["feeds"].values()
        found: dict[str, Any] = stats
        return found

    def assert_without_gap(self, symbol: str) -> None:
        ids = set(self.ids[symbol])
        assert ids == set(range(min(ids), max(ids) + 1))

    async def _put(self, payloads: Sequence[Payload]) -> list[str | None]:
        for payload in payloads:
            record = decode(payload.data)
            names = [instrument.symbol for instrument in record.trades.instruments]
            for row, number in zip(record.trades.instrument.tolist(), record.trades.trade_id.tolist(), strict=True):
                self.ids.setdefault(names[row], []).append(number)
            for notice in record.notices:
                self.notices[notice.kind, notice.text] += notice.count
        return [None] * len(payloads)

    async def _send(self, frames: Sequence[DeadFrame]) -> list[str | None]:
        self.dead += frames
        return [None] * len(frames)


@pytest.fixture(autouse=True)
def _quick_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "BACKOFF_SECONDS", (0.01, 0.1))


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    clock = steady_clock()
    exchange = Exchange(SimulatorSource(seed=3, rate=400, now=clock()), clock=clock)
    port = await exchange.start()
    try:
        yield Running(exchange, port)
    finally:
        await exchange.close()


@pytest.mark.parametrize(
    ("mode", "cause", "reason"),
    [("abort", "connection_lost", "connection lost"), ("close", "closed_by_venue", "closed by the venue: 1001")],
)
async def test_a_cut_is_counted_by_its_cause_and_named_in_a_notice(
    running: Running, mode: str, cause: str, reason: str
) -> None:
    async with running.ingesting("binance", "BTC-USDT"):
        before = running.stats["seconds_without_connection"]
        await running.order(FaultKind.DISCONNECT, feed="binance", mode=mode, refuse=0.5)
        await running.eventually(lambda: running.stats["reconnects_by_cause"].get(cause) == 1)
        await running.eventually(lambda: running.stats["connected"])
        await running.more("BTC-USDT")
        stats = running.stats
        await running.eventually(lambda: any(f"[{cause}]" in text for _, text in running.notices))
    # Refused with 503 in between.
    assert stats["reconnects_by_cause"]["refused"] >= 1
    assert stats["seconds_without_connection"] - before >= 0.4
    assert stats["last_reconnect_cause"] == "refused"
    (text,) = {text for kind, text in running.notices if kind == "connection" and f"[{cause}]" in text}
    assert text.startswith(f"binance: {reason}")


async def test_a_half_open_socket_is_given_up(running: Running) -> None:
    async with running.ingesting("binance", "BTC-USDT", silence_seconds=1.0):
        await running.order(FaultKind.HALF_OPEN, feed="binance", seconds=60)
        await running.eventually(lambda: running.stats["reconnects_by_cause"] == {"silent": 1})
        await running.more("BTC-USDT")
    assert running.notices["connection", "binance: silent for 1 s; reconnecting [silent]"] == 1


async def test_a_silent_stream_brings_a_new_socket_before_the_old_one_closes(running: Running) -> None:
    async with running.ingesting("binance", "BTC-USDT", "ETH-USDT", stream_silence_seconds=1.5):
        # Enough sightings to know how often it speaks.
        await running.more("BTC-USDT", 100)
        before = running.stats["seconds_without_connection"]
        await running.order(FaultKind.SILENT_STREAM, feed="binance", symbol="BTC-USDT", seconds=3)
        await running.eventually(lambda: running.stats["reconnects_by_cause"].get("stream_silent", 0) >= 1)
        await running.more("BTC-USDT")
        await running.more("ETH-USDT")
        assert set(running.stats["reconnects_by_cause"]) == {"stream_silent"}
        assert running.stats["seconds_without_connection"] == before
    running.assert_without_gap("ETH-USDT")


async def test_an_announced_shutdown_is_gone_ahead_of(running: Running) -> None:
    async with running.ingesting("binance", "BTC-USDT"):
        before = running.stats["seconds_without_connection"]
        await running.order(FaultKind.SERVER_SHUTDOWN, feed="binance", seconds=2)
        await running.eventually(lambda: running.stats["reconnects_by_cause"] == {"venue_asked": 1})
        await running.more("BTC-USDT", 400)
        assert running.stats["seconds_without_connection"] == before
    running.assert_without_gap("BTC-USDT")


async def test_the_venues_cut_after_a_day_is_gone_ahead_of(running: Running) -> None:
    async with running.ingesting("binance", "BTC-USDT", connection_seconds=1.0):
        await running.eventually(lambda: running.stats["reconnects_by_cause"].get("lifetime", 0) >= 3)
        assert set(running.stats["reconnects_by_cause"]) == {"lifetime"}
        await running.eventually(lambda: running.stats["connected"])
        running.assert_without_gap("BTC-USDT")


async def test_maintenance_is_waited_out_on_the_open_socket(running: Running) -> None:
    async with running.ingesting("kraken", "BTC-USD", "ETH-USD", stream_silence_seconds=1.0):
        await running.more("BTC-USD", 100)
        (connection,) = running.task.connections
        await running.order(FaultKind.MAINTENANCE, feed="kraken", seconds=3)
        await running.eventually(lambda: connection.halted)
        await running.eventually(lambda: not connection.halted)
        await running.more("BTC-USD")
        assert running.stats["reconnects"] == 0
    running.assert_without_gap("BTC-USD")
    assert any(kind == "venue_status" and "system maintenance" in text for kind, text in running.notices)


async def test_while_a_venue_is_halted_it_is_not_hammered(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return 0.0 if high == 15.0 else high

    async with running.ingesting("kraken", "BTC-USD"):
        (connection,) = running.task.connections
        await running.order(FaultKind.MAINTENANCE, feed="kraken", seconds=60)
        await running.eventually(lambda: connection.halted)
        monkeypatch.setattr(connection_module.random, "uniform", draw)
        await running.order(FaultKind.DISCONNECT, feed="kraken", mode="abort")
        await running.eventually(lambda: running.stats["reconnects"] >= 1)
        await running.eventually(lambda: connection.connected and connection.halted)
    assert connection_module.HALTED_SECONDS in drawn


async def test_a_kraken_book_that_fails_its_checksum_is_fetched_anew_on_the_same_socket(running: Running) -> None:
    async with running.ingesting("kraken", "BTC-USD", "ETH-USD"):
        # Updates of the book that do not come leave it wrong.
        await running.order(FaultKind.SILENT_STREAM, feed="kraken", symbol="BTC-USD", seconds=1)
        await running.eventually(lambda: running.stats["checksum_failures"] >= 1)
        await running.eventually(lambda: running.stats["ignored"].get("unsubscribe", 0) >= 1)
        failures = running.stats["checksum_failures"]
        books = running.stats["ignored"]["book"]
        await running.eventually(lambda: running.stats["ignored"]["book"] > books + 50)
        assert running.stats["checksum_failures"] == failures
        assert running.stats["reconnects"] == 0
    assert {frame.reject.reason.value for frame in running.dead} == {"checksum"}
