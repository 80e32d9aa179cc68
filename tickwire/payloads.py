"""Records to the payloads of Kinesis, none above its limit."""

from collections.abc import Callable

import numpy as np

from tickwire.columns import TradeBatch
from tickwire.records import Record


def encode_within(record: Record, limit: int, encode: Callable[[Record], bytes]) -> list[tuple[bytes, Record]]:
    """Encode a record into as many payloads, in order, as keep each within ``limit`` bytes.

    Heartbeats go with the last one, after every trade that they might name. Records with findings or
    bars are not split: their writers put a bounded number of these alone in a record.

    Raises
    ------
    ValueError
        If what cannot be split further is still too large.
    """
    payload = encode(record)
    if len(payload) <= limit:
        return [(payload, record)]
    halves = _halves(record)
    if halves is None:
        raise ValueError(f"a record of {len(payload)} bytes cannot be split to {limit}")
    return [part for half in halves for part in encode_within(half, limit, encode)]


def _halves(record: Record) -> tuple[Record, Record] | None:
    trades, quotes = record.trades, record.quotes
    if record.findings or record.bars:
        return None
    if len(trades) < 2 and len(quotes) < 2 and len(record.heartbeats) < 2 and len(record.notices) < 2:
        return None
    t, q, h, n = (len(x) // 2 for x in (trades, quotes, record.heartbeats, record.notices))
    only_heartbeats = len(trades) < 2 and len(quotes) < 2 and len(record.notices) < 2
    rows, quoted = np.arange(len(trades)), np.arange(len(quotes))
    first = Record(
        header=record.header,
        trades=trades.take(rows[:t]) if not only_heartbeats else trades,
        quotes=quotes.take(quoted[:q]),
        heartbeats=record.heartbeats[:h] if only_heartbeats else (),
        notices=record.notices[:n],
    )
    second = Record(
        header=record.header,
        trades=trades.take(rows[t:]) if not only_heartbeats else TradeBatch.empty(),
        quotes=quotes.take(quoted[q:]),
        heartbeats=record.heartbeats[h:] if only_heartbeats else record.heartbeats,
        notices=record.notices[n:],
    )
    return first, second
