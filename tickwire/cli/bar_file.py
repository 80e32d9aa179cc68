"""Bars as a Parquet file for people."""

from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import IO, Any

import numpy as np
import pyarrow as pa

from tickwire.bars import BarSums, sums_of_trades
from tickwire.cli.trade_file import DECIMAL, ROW_GROUP, TIME, writer
from tickwire.cli.trade_runs import TradeRuns
from tickwire.symbols import Instrument
from tickwire.timestamps import format_rfc3339

SCHEMA = pa.schema(
    [
        ("venue", pa.string()),
        ("symbol", pa.string()),
        ("start", TIME),
        *((name, DECIMAL) for name in "open high low close volume buy_volume notional vwap".split()),
        ("trades", pa.int64()),
        ("first_id", pa.int64()),
        ("last_id", pa.int64()),
    ]
)
_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation])
_PLACES = DECIMAL.scale
# A jump between ids is of no matter here: whatever is in the file is a trade.
_ANY_JUMP = 2**63


def write_bars(out: IO[bytes], runs: TradeRuns, interval: int) -> dict[str, dict[str, Any]]:
    """Write the bars of ``interval`` seconds, and give the counts of each symbol by ``venue:SYMBOL``."""
    symbols: dict[str, dict[str, Any]] = {}
    with writer(out, SCHEMA) as file:
        for traded in runs.instruments():
            account = runs.account(traded, quarantined=np.empty(0, np.int64), last_id=-1, max_jump=_ANY_JUMP)
            bars: dict[int, BarSums] = {}
            for trades, _ in runs.distinct(traded, account):
                for _, sums in sums_of_trades(trades, interval):
                    if sums.start in bars:
                        bars[sums.start].merge(sums)
                    else:
                        bars[sums.start] = sums
            ordered = [bars[start] for start in sorted(bars)]
            for first in range(0, len(ordered), ROW_GROUP):
                file.write_table(_table(traded, ordered[first : first + ROW_GROUP]))
            symbols[f"{traded.venue}:{traded.symbol}"] = {
                "bars": len(ordered),
                "trades": account.trades,
                "duplicates": account.duplicates,
                "first_start": format_rfc3339(ordered[0].start),
                "last_start": format_rfc3339(ordered[-1].start),
            }
    return symbols


def _table(traded: Instrument, bars: list[BarSums]) -> pa.Table:
    price, size = traded.price_scale, traded.size_scale
    columns = {
        "venue": [traded.venue] * len(bars),
        "symbol": [traded.symbol] * len(bars),
        "start": [bar.start for bar in bars],
        "open": [_decimal(bar.open, price) for bar in bars],
        "high": [_decimal(bar.high, price) for bar in bars],
        "low": [_decimal(bar.low, price) for bar in bars],
        "close": [_decimal(bar.close, price) for bar in bars],
        "volume": [_decimal(bar.volume, size) for bar in bars],
        "buy_volume": [_decimal(bar.buy_volume, size) for bar in bars],
        "notional": [_decimal(bar.notional, price + size) for bar in bars],
        "vwap": [_decimal((2 * bar.notional + bar.volume) // (2 * bar.volume), price) for bar in bars],
        "trades": [bar.trades for bar in bars],
        "first_id": [bar.first_id for bar in bars],
        "last_id": [bar.last_id for bar in bars],
    }
    return pa.table([pa.array(columns[field.name], field.type) for field in SCHEMA], schema=SCHEMA)


def _decimal(value: int, scale: int) -> Decimal:
    if scale > _PLACES:
        # The notional of a coin of large supply, 14 + 5 places, of which real trades use 15 at most.
        unit = 10 ** (scale - _PLACES)
        value, scale = (2 * value + unit) // (2 * unit), _PLACES
    return _EXACT.scaleb(Decimal(value), -scale)
