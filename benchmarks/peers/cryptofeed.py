"""cryptofeed: its own message handlers, to its Trade object and one asynchronous callback."""

# mypy: disable-error-code="import-not-found"
# cryptofeed is in the peers' environment alone.

import asyncio
from typing import Any

from cryptofeed.defines import TRADES
from cryptofeed.exchanges import Binance, Coinbase
from cryptofeed.symbols import Symbols

from benchmarks.harness import Prepared
from benchmarks.peers.frames import UNIT, Trade, assert_agree, load

_FEEDS = {"binance-aggregates": Binance, "coinbase-advanced": Coinbase}


class _Connection:
    uuid = None


def prepare(feed: str, folder: str) -> Prepared:
    """Give the benchmark of one feed; symbols are set by hand, so nothing asks the network."""
    sample = load(folder)
    exchange = _FEEDS[feed]
    natives = {s: s.replace("-", "") if exchange is Binance else s for s in sample.symbols}
    Symbols.set(exchange.id, natives, {"instrument_type": {}, "tick_size": {}})
    texts = [frame.decode() for frame in sample.frames]

    async def run() -> list[Any]:
        came: list[Any] = []

        async def keep(trade: Any, receipt: float) -> None:
            came.append(trade)

        handler = exchange(symbols=list(natives), channels=[TRADES], callbacks={TRADES: keep}).message_handler
        connection = _Connection()
        for text in texts:
            await handler(text, connection, 1.0)
        return came

    def check(came: list[Any]) -> None:
        # It tells times as seconds in a float, and on Coinbase it takes the maker's side for the trade's.
        assert_agree([_trade(t) for t in came], sample, resolution=1_000, makers_side=exchange is Coinbase)

    return Prepared(rows=len(texts), run=lambda _: asyncio.run(run()), check=check)


def _trade(trade: Any) -> Trade:
    time = round(trade.timestamp * 10**6) * 1_000
    return (trade.symbol, int(trade.id), int(trade.price * UNIT), int(trade.amount * UNIT), trade.side, time)
