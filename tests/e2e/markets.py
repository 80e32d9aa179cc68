"""Frames written by the tests, beside the rows that must come of them."""

import random
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from zlib import crc32

import pandas as pd

from .captures import COLUMNS
from .scripted_exchange import ScriptedExchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A trade as Binance sends it: price and size are text, ``time`` is ms UTC."""

    venue: str
    symbol: str
    trade_id: int
    price: str
    size: str
    side: str
    time: int

    @property
    def frame(self) -> str:
        """Its frame of the combined stream."""
        native = self.symbol.replace("-", "")
        maker = "true" if self.side == "sell" else "false"
        return (
            f'{{"stream":"{native.lower()}@trade","data":{{"e":"trade","E":{self.time},"s":"{native}",'
            f'"t":{self.trade_id},"p":"{self.price}","q":"{self.size}","T":{self.time},"m":{maker},"M":true}}}}'
        )

    @property
    def row(self) -> tuple[object, ...]:
        """What must be stored of it."""
        numbers = (self.trade_id, Decimal(self.price), Decimal(self.size))
        return (self.venue, self.symbol, *numbers, self.side, self.time * 1_000_000)


class Market:
    """Makes trades of one symbol with dense ids, a seeded walk of prices, and the time of now."""

    def __init__(self, venue: str, symbol: str, *, seed: int, first_id: int = 1_000) -> None:
        self._venue = venue
        self.symbol = symbol
        self._random = random.Random(f"{seed}:{symbol}")
        self._next_id = first_id
        self._cents = 10_000
        self.trades: list[Trade] = []

    def trade(self, count: int = 1) -> list[Trade]:
        """Make the next trades, and remember them."""
        made = []
        for _ in range(count):
            self._cents = max(1, self._cents + self._random.randint(-3, 3))
            made.append(
                Trade(
                    venue=self._venue,
                    symbol=self.symbol,
                    trade_id=self._next_id,
                    price=f"{self._cents // 100}.{self._cents % 100:02}000000",
                    size=f"{self._random.randint(0, 20)}.{self._random.randint(1, 10**8 - 1):08}",
                    side=self._random.choice(("buy", "sell")),
                    time=time.time_ns() // 1_000_000,
                )
            )
            self._next_id += 1
        self.trades += made
        return made


@contextmanager
def trading(exchange: ScriptedExchange, feed: str, markets: list[Market]) -> Iterator[None]:
    """Have all markets trade, at most 500 times a second each, until the end of the ``with``."""
    enough = threading.Event()
    failures: list[Exception] = []

    def trade_on() -> None:
        try:
            while not enough.wait(0.02):
                exchange.send(feed, [trade.frame for market in markets for trade in market.trade(10)])
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=trade_on, name="trading")
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()
    assert failures == []


def rows_of(trades: Iterable[Trade]) -> pd.DataFrame:
    """Give trades as the oracle writes them."""
    return pd.DataFrame([trade.row for trade in trades], columns=COLUMNS)


def kraken_checksum(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> int:
    """Give the CRC-32 of a book of up to ten levels a side, best first, as Kraken's documentation defines it."""
    numbers = [text for level in (*asks, *bids) for text in level]
    return crc32("".join(text.replace(".", "").lstrip("0") for text in numbers).encode())
