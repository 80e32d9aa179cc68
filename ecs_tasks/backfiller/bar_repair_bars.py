"""From a scan's trades to its bars, and to the records that carry them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import msgspec
import numpy as np

from ecs_tasks.backfiller.bar_repair_plan import RepairRequest
from tickwire.bars import NOT_LIVE, SECOND, bars_from_trades
from tickwire.columns import TradeBatch
from tickwire.records import Bar, Header, Record, RecordKind

MAX_BARS = 1_000
"""Bars in one record: a quarter of what a stream record may weigh."""


@dataclass(frozen=True, slots=True)
class Repair:
    """Requests and their bars, one for one, which one record carries."""

    requests: tuple[RepairRequest, ...]
    record: Record


def repaired_bars(trades: TradeBatch, requests: Sequence[RepairRequest], *, revision: int) -> list[Bar | None]:
    """Compute the bar of each request; None where there is no trade of it.

    Parameters
    ----------
    trades : of the requests' symbol, each once, in any order; what is in none of the bars is passed over
    revision : of all the bars

    Notes
    -----
    ``latest_receive`` is that of the trades that came live, 0 if none did: when a trade came from
    history says nothing of the feed's latency.
    """
    live = replace(trades, receive_time=np.where(trades.flags & int(NOT_LIVE), 0, trades.receive_time))
    found: dict[tuple[int, int], Bar] = {}
    for interval, of_interval in groupby(sorted(requests, key=lambda r: r.interval), key=lambda r: r.interval):
        width = interval * SECOND
        starts = np.array([request.start for request in of_interval])
        rows = np.isin(live.exchange_time // width * width, starts)
        for bar in bars_from_trades(live.take(rows), interval):
            found[interval, bar.start] = msgspec.structs.replace(bar, revision=revision)
    return [found.get((request.interval, request.start)) for request in requests]


def repairs(requests: Sequence[RepairRequest], bars: Sequence[Bar], *, created: int) -> list[Repair]:
    """Put the bars of one partition's requests into records of trades-raw, made at ``created`` (ns UTC)."""
    result = []
    for first in range(0, len(requests), MAX_BARS):
        chosen = tuple(requests[first : first + MAX_BARS])
        header = Header(RecordKind.RAW, chosen[0].partition, created=created, hops=(("backfiller", created),))
        result.append(Repair(chosen, Record(header=header, bars=tuple(bars[first : first + MAX_BARS]))))
    return result
