"""Captures and bars read independently of the product: `json`, `decimal` and pandas only.

Trades are a data frame with a row a trade: ``venue``, ``symbol``, ``trade_id``, ``price`` and
``size`` (Decimal, the file's own digits), ``side`` (the aggressor's), ``time`` (ns UTC).
"""

import decimal
import gzip
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

COLUMNS = ("venue", "symbol", "trade_id", "price", "size", "side", "time")
KEY = ["venue", "symbol", "trade_id"]

_OTHER_SIDE = {"buy": "sell", "sell": "buy"}
_EXACT = decimal.Context(prec=60, traps=[decimal.Inexact, decimal.InvalidOperation])


def capture_trades(paths: Iterable[Path]) -> pd.DataFrame:
    """Read every trade of some capture files, each once, ordered by venue, symbol and id."""
    rows = [row for path in paths for row in _rows(path)]
    trades = pd.DataFrame(rows, columns=COLUMNS).drop_duplicates(KEY)
    return trades.sort_values(KEY, ignore_index=True)


def bars_of(trades: pd.DataFrame, seconds: int) -> pd.DataFrame:
    """Compute the bars of an interval: a row a bar, ordered by venue, symbol and start.

    Open is the price of the lowest trade id and close that of the highest. Sums are exact, or this raises.
    """
    with decimal.localcontext(_EXACT):
        rows = trades.assign(
            start=trades["time"] // (seconds * 10**9) * seconds,
            buy_size=trades["size"].where(trades["side"] == "buy", Decimal(0)),
            notional=trades["price"] * trades["size"],
        )
        return (
            rows.sort_values(KEY)
            .groupby(["venue", "symbol", "start"], as_index=False)
            .agg(
                open=("price", "first"),
                high=("price", "max"),
                low=("price", "min"),
                close=("price", "last"),
                volume=("size", "sum"),
                buy_volume=("buy_size", "sum"),
                notional=("notional", "sum"),
                trades=("trade_id", "count"),
                first_id=("trade_id", "first"),
                last_id=("trade_id", "last"),
            )
        )


def _rows(path: Path) -> Iterator[tuple[Any, ...]]:
    content = path.read_bytes()
    for line in (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines():
        # The Binance captures have the receive time before the frame.
        frame = line[line.index(b"{") :]
        # Numbers stay the text that they are in the file.
        yield from _trades_of(json.loads(frame, parse_float=str, parse_int=str))


def _trades_of(message: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    data = message.get("data")
    if message.get("type") in ("match", "last_match"):
        # Coinbase gives the maker's side; the aggressor's is the other one.
        yield (
            *("coinbase", message["product_id"], int(message["trade_id"])),
            *(Decimal(message["price"]), Decimal(message["size"]), _OTHER_SIDE[message["side"]], _ns(message["time"])),
        )
    elif message.get("channel") == "trade":
        for row in data:
            yield (
                *("kraken", row["symbol"].replace("/", "-"), int(row["trade_id"])),
                *(Decimal(row["price"]), Decimal(row["qty"]), row["side"], _ns(row["timestamp"])),
            )
    elif isinstance(data, dict) and data.get("e") == "trade":
        symbol = data["s"].removesuffix("USDT") + "-USDT"
        yield (
            *("binance", symbol, int(data["t"]), Decimal(data["p"]), Decimal(data["q"])),
            *("sell" if data["m"] else "buy", int(data["T"]) * 10**6),
        )


def _ns(text: str) -> int:
    return pd.Timestamp(text).value
