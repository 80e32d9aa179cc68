"""A Binance made of a few rows, and a stream and a queue that note what they accept, in order."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ecs_tasks.backfiller.budgets import own_budget
from ecs_tasks.backfiller.lane import Lane
from ecs_tasks.backfiller.market import Market
from ecs_tasks.backfiller.outlet import Outlet
from ecs_tasks.backfiller.pause import Pause
from ecs_tasks.backfiller.states import SymbolSight
from ecs_tasks.backfiller.tenure import Tenure
from ecs_tasks.backfiller.venue import Venue
from ecs_tasks.ingestor.dead_frames import DeadFrame
from ecs_tasks.ingestor.publisher import Payload
from tickwire.intervals import IntervalSet
from tickwire.venues.history import Candle, HistoryReply, HistoryRequest, new_history

SYMBOL = "BTC-USDT"
PARTITIONS = 4
TIME = 1_783_465_157_897


def row(number: int) -> dict[str, Any]:
    return {"id": number, "price": "100.5", "qty": "0.25", "time": TIME + number, "isBuyerMaker": True}


class Rest:
    """Binance's REST: ``rows`` by id; ``refusals`` are given first, one a request."""

    def __init__(self) -> None:
        self.rows: dict[int, dict[str, Any]] = {}
        self.refusals: list[HistoryReply | Exception] = []
        self.requests: list[dict[str, str]] = []

    def has(self, *ids: int) -> None:
        self.rows |= {number: row(number) for number in ids}

    async def send(self, url: str, request: HistoryRequest) -> HistoryReply:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}
        self.requests.append(query)
        if "interval" in query and not self.refusals:
            return self._klines(int(query["startTime"]), int(query["endTime"]), int(query["limit"]))
        if self.refusals:
            refusal = self.refusals.pop(0)
            if isinstance(refusal, Exception):
                raise refusal
            return refusal
        limit = int(query["limit"])
        ids = sorted(self.rows)
        ids = (
            [number for number in ids if number >= int(query["fromId"])][:limit] if "fromId" in query else ids[-limit:]
        )
        return HistoryReply(200, json.dumps([self.rows[number] for number in ids]).encode())

    def _klines(self, start: int, end: int, limit: int) -> HistoryReply:
        """A candle for every minute, and so one that still runs."""
        starts = range(start, end + 1, 60_000)[:limit]
        rows = [
            [one, "100.0", "102.0", "99.0", "101.0", "5.0", one + 59_999, "502.0", 7, "2.0", "201.0", "0"]
            for one in starts
        ]
        return HistoryReply(200, json.dumps(rows).encode())


class Bench:
    """One lane over that Binance. ``accepted`` holds records and dead letters in the order of acceptance."""

    def __init__(self, *, warm: bool = False, **settings: float) -> None:
        self.rest = Rest()
        self.accepted: list[Any] = []
        self.put_codes: list[str] = []
        self.send_codes: list[str] = []
        self.told: list[str] = []
        self.minutes: list[tuple[str, str, list[Candle]]] = []
        self.store_errors: list[Exception] = []
        self.pause = Pause()
        self.outlet = Outlet(put=self._put, send=self._send, partitions=PARTITIONS, trades_per_second=1_000_000)
        self.venue = Venue(
            "binance",
            new_history("binance"),
            url="http://venue",
            fetcher=self.rest,  # type: ignore[arg-type]
            tenure=Tenure("binance", None),
            new_budget=own_budget,
            post=lambda venue, text: self.told.append(text),
        )
        self.lane = Lane(
            "binance",
            self.venue,
            outlet=self.outlet,
            settle_seconds=settings.pop("settle", 100.0),
            pause=self.pause,
            fill_minutes=self._fill if warm else None,
        )
        self._settings = {
            "grace_seconds": 0.0,
            "tail_check_seconds": 1e9,
            "retry_seconds": 1e9,
            "second_look_seconds": 0.0,
        } | settings
        self.running: asyncio.Task[None] | None = None

    def missing(self, *ranges: tuple[int, int], symbol: str = SYMBOL, last_id: int = 1000) -> Market:
        """Let the validator say what it misses."""
        market = self.lane.markets.get(symbol)
        if market is None:
            market = self.lane.markets[symbol] = Market(
                symbol,
                self.venue.history,
                stats=self.venue.stats.of(symbol),
                max_retry_seconds=1e9,
                **self._settings,  # type: ignore[arg-type]
            )
        market.observe(
            SymbolSight(IntervalSet(ranges), (), last_id, TIME * 1_000_000), asyncio.get_running_loop().time()
        )
        self.lane.scanned()
        return market

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let the lane work until a condition holds."""
        if self.running is None:
            self.running = asyncio.create_task(self.lane.run())
        async with asyncio.timeout(10):
            while not condition():
                assert not self.running.done(), self.running.exception()
                self.lane.scanned()
                await asyncio.sleep(0)

    def _fill(self, venue: str, symbol: str, candles: Sequence[Candle]) -> None:
        if self.store_errors:
            raise self.store_errors.pop(0)
        self.minutes.append((venue, symbol, list(candles)))

    async def _put(self, payloads: Sequence[Payload]) -> list[str | None]:
        if self.put_codes:
            return [self.put_codes.pop(0)]
        self.accepted += [payload.record for payload in payloads]
        return [None] * len(payloads)

    async def _send(self, frames: Sequence[DeadFrame]) -> list[str | None]:
        if self.send_codes:
            return [self.send_codes.pop(0)] * len(frames)
        self.accepted += frames
        return [None] * len(frames)


@pytest.fixture
def new_bench() -> type[Bench]:
    return Bench
