"""What happens on a simulated market, before any venue's wire format."""

import msgspec

from local.exchange.catalogue import MarketSpec
from tickwire.columns import Side

Levels = tuple[tuple[int, int], ...]
"""(price, size) pairs, best first, in the market's units."""


class Fill(msgspec.Struct, frozen=True):
    """One trade of an execution.

    Attributes
    ----------
    trade_id : contiguous per market
    price : units of ``10**-spec.price_places`` of the quote currency
    size : units of 10**-8 of the base currency
    sequence : the market's message sequence, which grows but is not contiguous over trades
    """

    trade_id: int
    price: int
    size: int
    sequence: int


class Execution(msgspec.Struct, frozen=True):
    """One aggressive order and the trades that it made: same side, same instant (ns UTC, whole µs)."""

    market: MarketSpec
    time: int
    side: Side
    """The aggressor's."""
    fills: tuple[Fill, ...]


class Session(msgspec.Struct, frozen=True):
    """A market's figures since the simulation began, which tickers show as those of the day."""

    open: int
    high: int
    low: int
    volume: int
    """Units of 10**-8 of the base currency."""
    notional: int
    """Sum of price x size, in the product of their units."""


class QuoteChange(msgspec.Struct, frozen=True):
    """A new best bid and offer; ``cause`` is the execution that moved it, None when makers did."""

    market: MarketSpec
    time: int
    sequence: int
    bid: int
    bid_size: int
    ask: int
    ask_size: int
    last: Fill | None
    """The market's newest trade."""
    session: Session
    cause: Execution | None = None


class BookChange(msgspec.Struct, frozen=True):
    """Level changes of a depth-10 book (size 0 deletes), and the ten best of each side after them."""

    market: MarketSpec
    time: int
    bids: Levels
    asks: Levels
    top_bids: Levels
    top_asks: Levels


Event = Execution | QuoteChange | BookChange
