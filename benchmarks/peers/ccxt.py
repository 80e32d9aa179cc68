"""ccxt: the message handlers of its WebSocket client, from text to its unified trade, markets set by hand."""

# mypy: disable-error-code="import-not-found"
# ccxt is in the peers' environment alone.

import asyncio
from typing import Any

import ccxt.pro
import orjson

from benchmarks.harness import Prepared
from benchmarks.peers.frames import Trade, assert_agree, load

_FEEDS = {
    "binance": "binance",
    "coinbase": "coinbaseexchange",
    "coinbase-advanced": "coinbase",
    "kraken": "kraken",
    "okx": "okx",
}
_MAKERS_SIDE = {"coinbase-advanced"}


class _Client:
    """What the handlers want of a connection: they resolve a trade's waiters with the newest trades."""

    def __init__(self) -> None:
        self.url = "wss://localhost/stream"
        self.subscriptions: dict[str, Any] = {}
        self.futures: dict[str, Any] = {}
        self.newest: list[Any] = []

    def resolve(self, result: Any, message_hash: str) -> Any:
        self.newest.append(result)
        return result

    def reject(self, *reason: Any) -> None:
        raise RuntimeError(reason)


def _market(symbol: str, feed: str) -> dict[str, Any]:
    base, quote = symbol.split("-")
    native = {"binance": base + quote, "kraken": f"{base}/{quote}"}.get(feed, symbol)
    kind = {"type": "spot", "spot": True, "margin": False, "swap": False, "future": False, "option": False}
    names = {"id": native, "symbol": f"{base}/{quote}", "base": base, "quote": quote, "baseId": base, "quoteId": quote}
    more = {"active": True, "contract": False, "linear": None, "inverse": None, "contractSize": None, "settle": None}
    numbers = {"precision": {"price": 1e-8, "amount": 1e-8}, "limits": {}, "taker": 0.001, "maker": 0.001}
    return {**names, **kind, **more, **numbers, "settleId": None, "wsId": native, "info": {"wsname": native}}


def prepare(feed: str, folder: str) -> Prepared:
    """Give the benchmark of one feed. The text is decoded by orjson, which its client takes where it is there."""
    sample = load(folder)

    def fresh() -> tuple[Any, _Client]:
        exchange = getattr(ccxt.pro, _FEEDS[feed])()
        exchange.set_markets([_market(symbol, feed) for symbol in sample.symbols])
        return exchange, _Client()

    async def handle(exchange: Any, client: _Client) -> list[Any]:
        newest = []
        for frame in sample.frames:
            exchange.handle_message(client, orjson.loads(frame))
            newest.append(client.newest[-1][-1])
            client.newest.clear()
        return newest

    def run(state: tuple[Any, _Client]) -> list[Any]:
        return asyncio.run(handle(*state))

    def check(newest: list[Any]) -> None:
        # Its times are milliseconds, its prices floats, and Coinbase's sides those of the maker.
        trades = [_trade(trade) for trade in newest]
        assert_agree(trades, sample, resolution=1_000_000, makers_side=feed in _MAKERS_SIDE)

    return Prepared(rows=len(sample.frames), run=run, fresh=fresh, check=check)


def _trade(trade: dict[str, Any]) -> Trade:
    price, size = round(trade["price"] * 10**8), round(trade["amount"] * 10**8)
    symbol, time = trade["symbol"].replace("/", "-"), trade["timestamp"] * 1_000_000
    return (symbol, int(trade["id"]), price, size, trade["side"], time)
