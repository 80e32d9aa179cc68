"""One simulated market: its best bid and offer, and the trades that orders make on it."""

import math
from collections import deque
from random import Random

from local.exchange.book import LimitBook
from local.exchange.catalogue import ASSET_USD, SIZE_PLACES, USD_PER_QUOTE, MarketSpec
from local.exchange.events import BookChange, Execution, Fill, QuoteChange, Session
from local.exchange.prices import AssetPrice
from tickwire.columns import Side

RECENT = 100
"""Executions' trades kept for the snapshots of new subscribers."""

_MICROSECOND = 1_000
_BASIS = 0.0001
"""Standard deviation of a venue's constant relative distance from the asset's price."""
_STICKINESS = 0.00001
"""Share of the price by which fair value may leave the quotes before makers move them."""
_TREND = 0.85
"""How often an order follows quotes that makers moved past the last trade's price."""
_MEDIAN_NOTIONAL, _NOTIONAL_SPREAD = 220.0, 1.9
_DUST_SHARE, _WHALE_SHARE, _WHALE_NOTIONAL = 0.04, 0.0006, 900_000.0
_SECOND_SINCE_2026 = 1_767_225_600_000_000_000


class Market:
    """A market's state. Ids start from the time, so that a later simulation goes on above an earlier one."""

    def __init__(self, spec: MarketSpec, asset: AssetPrice, random: Random, *, start: int) -> None:
        self.spec = spec
        self.recent: deque[tuple[Fill, Side, int]] = deque(maxlen=RECENT)
        """The newest trades, oldest first: fill, aggressor's side, time."""
        self.clock_offset = 0
        """ns by which the venue's clock is wrong; what the market publishes bears the wrong time."""
        self.pauses = 0
        """Reasons why nothing happens on the market at present; it trades while there is none."""
        self.outages = 0
        """Reasons why its trades are lost at the venue itself: their ids are used up, and nobody has them."""
        self._asset = asset
        self._random = random
        self._factor = 10**spec.price_places / USD_PER_QUOTE[spec.quote] * (1.0 + random.gauss(0.0, _BASIS))
        self._unit_usd = USD_PER_QUOTE[spec.quote] / 10 ** (spec.price_places + SIZE_PLACES)
        # A thousand ids a second of head start: no market's mean rate exceeds that.
        elapsed = max(0, start - _SECOND_SINCE_2026) // 1_000_000
        self._next_id = random.randrange(10**8, 10**9) + elapsed
        self._sequence = random.randrange(10**9, 10**10) + 20 * elapsed
        self._last_side = Side.BUY
        fair = asset.value * self._factor
        self._open = self._high = self._low = max(1, round(fair))
        self._volume = self._notional = 0
        self.book: LimitBook | None = None
        if spec.has_book:
            typical = int(4_000.0 / ASSET_USD[spec.base] * 10**SIZE_PLACES)
            self.book = LimitBook(random, gap=round(fair * 0.00002), typical_size=typical)
        self.bid = self.bid_size = self.ask = self.ask_size = 0
        self._move_quotes(fair)
        self._resize_quotes()
        self.quote = self._quote(start)
        """The newest best bid and offer."""
        if self.book is not None:
            self.book.requote(bid=self.bid, bid_size=self.bid_size, ask=self.ask, ask_size=self.ask_size)

    @property
    def last_trade_id(self) -> int:
        """The newest trade's id; 0 while there is none."""
        return self.recent[-1][0].trade_id if self.recent else 0

    @property
    def next_id(self) -> int:
        """The id that the next trade gets."""
        return self._next_id

    def skip_ids(self, count: int) -> None:
        """Use up ids without a trade."""
        self._next_id += count

    @property
    def sequence(self) -> int:
        return self._sequence

    def trade(
        self, time: int, *, fills: int, side: Side | None = None
    ) -> tuple[Execution | None, QuoteChange, BookChange | None]:
        """Let one order come that makes ``fills`` trades, from ``side`` or from where the price pulls.

        There is no execution where the venue loses it.
        """
        if self.outages:
            self.skip_ids(fills)
            return None, *self.requote(time)
        fair = self._asset.at(time) * self._factor
        side = self._choose_side(fair) if side is None else side
        self._last_side = side
        random = self._random
        buys = side is Side.BUY
        price = self.ask if buys else self.bid
        made = []
        usd = 0.0
        for number in range(fills):
            if number and random.random() < 0.25:
                step = 1 + int(random.random() * 2 * self.spec.spread_ticks)
                price = price + step if buys else max(1, price - step)
            size = self._order_size(price)
            self._sequence += 1 + int(random.random() * 9)
            made.append(Fill(self._next_id, price, size, self._sequence))
            self._next_id += 1
            self._volume += size
            self._notional += price * size
            usd += price * size * self._unit_usd
        self._high = max(self._high, price)
        self._low = min(self._low, price)
        execution = Execution(self.spec, self._stamp(time), side, tuple(made))
        self.recent.extend((fill, side, execution.time) for fill in made)
        self._asset.nudge(math.copysign(1e-6 * math.sqrt(min(usd, 1e7) / 1e4), 1.0 if buys else -1.0))
        if buys and price >= self.ask and fills > 1:
            self.ask, self.bid = price, max(self.bid, price - 2 * self.spec.spread_ticks)
        elif not buys and price <= self.bid and fills > 1:
            self.bid, self.ask = price, min(self.ask, price + 2 * self.spec.spread_ticks)
        quote, book = self.requote(time, cause=execution)
        return execution, quote, book

    def requote(self, time: int, *, cause: Execution | None = None) -> tuple[QuoteChange, BookChange | None]:
        """Let makers move the quotes to where the price is, or only change their sizes."""
        self._move_quotes(self._asset.at(time // _MICROSECOND * _MICROSECOND) * self._factor)
        time = self._stamp(time)
        self._resize_quotes()
        self._sequence += 1 + int(self._random.random() * 9)
        self.quote = quote = self._quote(time, cause)
        if self.book is None:
            return quote, None
        bids, asks = self.book.requote(bid=self.bid, bid_size=self.bid_size, ask=self.ask, ask_size=self.ask_size)
        return quote, BookChange(self.spec, time, bids, asks, *self.book.top())

    def _stamp(self, time: int) -> int:
        """Give the time that the venue's clock shows, in whole microseconds."""
        return (time + self.clock_offset) // _MICROSECOND * _MICROSECOND

    def _quote(self, time: int, cause: Execution | None = None) -> QuoteChange:
        return QuoteChange(
            self.spec,
            time,
            self._sequence,
            bid=self.bid,
            bid_size=self.bid_size,
            ask=self.ask,
            ask_size=self.ask_size,
            last=self.recent[-1][0] if self.recent else None,
            session=Session(self._open, self._high, self._low, self._volume, self._notional),
            cause=cause,
        )

    def _choose_side(self, fair: float) -> Side:
        if fair > self.ask:
            return Side.BUY
        if fair < self.bid:
            return Side.SELL
        random = self._random
        if self.recent and random.random() < _TREND:
            last = self.recent[-1][0].price
            if self.ask < last:
                return Side.SELL
            if self.bid > last:
                return Side.BUY
        if random.random() < 0.4:
            return self._last_side
        return Side.BUY if random.random() < 0.5 else Side.SELL

    def _move_quotes(self, fair: float) -> None:
        slack = fair * _STICKINESS
        if self.bid and self.bid - slack <= fair <= self.ask + slack:
            return
        spread = self.spec.spread_ticks
        self.bid = max(1, math.floor(fair - spread / 2))
        self.ask = self.bid + max(1, spread + int((self._random.random() - 0.5) * spread))

    def _resize_quotes(self) -> None:
        self.bid_size = self._round_to_lot(self._random.lognormvariate(0.0, 1.4) * 9_000.0, self.bid)
        self.ask_size = self._round_to_lot(self._random.lognormvariate(0.0, 1.4) * 9_000.0, self.ask)

    def _order_size(self, price: int) -> int:
        """Draw a size, heavy-tailed: a lognormal body, dust below it and whales above."""
        random = self._random
        kind = random.random()
        if kind < _DUST_SHARE:
            return self.spec.lot * (1 + int(random.random() * 20))
        if kind > 1.0 - _WHALE_SHARE:
            return self._round_to_lot(_WHALE_NOTIONAL * random.paretovariate(1.5), price)
        return self._round_to_lot(_MEDIAN_NOTIONAL * random.lognormvariate(0.0, _NOTIONAL_SPREAD), price)

    def _round_to_lot(self, usd: float, price: int) -> int:
        lots = int(min(usd, 5e7) / (price * self._unit_usd)) // self.spec.lot
        return max(1, lots) * self.spec.lot
