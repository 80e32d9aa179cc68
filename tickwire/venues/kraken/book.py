"""One symbol's order book as Kraken v2 sends it, kept to prove by its CRC-32 that nothing was lost.

The checksum is taken over the text of prices and quantities, trailing zeros and all, so levels are
kept as the bytes of the wire.
"""

from bisect import bisect_left
from collections.abc import Iterable
from zlib import crc32

import msgspec

from tickwire.venues.frames import read_fixed

CHECKED_LEVELS = 10
_DEPTHS = (10, 25, 100, 500, 1000)


class Level(msgspec.Struct, frozen=True):
    """A price level; both numbers as the bytes of the wire, ``qty`` 0 removes the level."""

    price: msgspec.Raw
    qty: msgspec.Raw


class Book:
    """Bids and asks of one symbol, best first, ``depth`` levels a side."""

    __slots__ = ("_asks", "_bids", "_depth", "_price_scale")

    def __init__(
        self, bids: Iterable[Level], asks: Iterable[Level], *, price_scale: int, depth: int | None = None
    ) -> None:
        """Start from a snapshot.

        ``depth`` is what was subscribed to; None takes the smallest depth that Kraken offers and
        that holds the snapshot.

        Raises
        ------
        UnreadableFrame
            BAD_NUMBER, if a price is no decimal of ``price_scale`` places.
        """
        self._price_scale = price_scale
        self._bids = _BookSide(-1)
        self._asks = _BookSide(1)
        self._depth = _DEPTHS[-1]
        self.apply(bids, asks)
        levels = max(len(self._bids.keys), len(self._asks.keys))
        self._depth = depth or next((offered for offered in _DEPTHS if offered >= levels), _DEPTHS[-1])

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Change levels as an update says, then cut both sides to the depth.

        Raises
        ------
        UnreadableFrame
            BAD_NUMBER, if a price is no decimal of the symbol's scale; the book is then half changed
            and must be thrown away.
        """
        for side, levels in ((self._bids, bids), (self._asks, asks)):
            for level in levels:
                price = bytes(level.price)
                side.set(read_fixed(price.decode("latin-1"), self._price_scale, "price"), price, bytes(level.qty))
            side.cut(self._depth)

    def checksum(self) -> int:
        """Give the CRC-32 of the ten best asks, then the ten best bids.

        Each level is its price and its quantity, point and leading zeros taken out.
        Source: https://docs.kraken.com/api/docs/guides/spot-ws-book-v2
        """
        return crc32(b"".join((*self._asks.best(), *self._bids.best())))


class _BookSide:
    """Levels in order: keys grow from best to worst, so a bid's key is its price negated."""

    __slots__ = ("_sign", "_texts", "keys")

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self.keys: list[int] = []
        self._texts: dict[int, bytes] = {}

    def set(self, price: int, price_text: bytes, qty_text: bytes) -> None:
        key = price * self._sign
        qty = qty_text.replace(b".", b"").lstrip(b"0")
        if qty:
            if key not in self._texts:
                self.keys.insert(bisect_left(self.keys, key), key)
            self._texts[key] = price_text.replace(b".", b"").lstrip(b"0") + qty
        elif self._texts.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]

    def cut(self, depth: int) -> None:
        for key in self.keys[depth:]:
            del self._texts[key]
        del self.keys[depth:]

    def best(self) -> list[bytes]:
        return [self._texts[key] for key in self.keys[:CHECKED_LEVELS]]
