"""One candle, in a tape's units."""

from dataclasses import dataclass

from tickwire.columns import Side

SECOND = 1_000_000_000
_BUY = int(Side.BUY)


@dataclass(slots=True)
class Candle:
    """One interval from ``start`` (ns UTC), in the tape's units; notionals in the product of both units."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    notional: int = 0
    trades: int = 0
    buy_volume: int = 0
    buy_notional: int = 0

    def take(self, price: int, size: int, side: int) -> None:
        """Add a trade that comes after those that it has."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.trades += 1
        self.volume += size
        self.notional += price * size
        if side == _BUY:
            self.buy_volume += size
            self.buy_notional += price * size

    def merge(self, later: "Candle") -> None:
        """Add an interval that comes after what it has."""
        self.high, self.low = max(self.high, later.high), min(self.low, later.low)
        self.close = later.close
        self.trades += later.trades
        self.volume += later.volume
        self.notional += later.notional
        self.buy_volume += later.buy_volume
        self.buy_notional += later.buy_notional
