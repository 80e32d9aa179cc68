"""The example venue's REST history: trades by rising id, and candles.

Name here the pages of the venue's documentation that this was written from. ``Fill`` and
``CandleCursor`` do all that is the same everywhere (which ids came, which are absent and why, what
is a reject); a venue says only how to ask, how to read a row, and what to ask next.
"""

from collections.abc import Sequence

import msgspec

from tickwire.columns import Side
from tickwire.symbols import Instrument, instrument
from tickwire.venues.candles import SECOND, Candle, CandleCursor, read_decimal
from tickwire.venues.fill import Fill, HistoryTrade, TradeId, decode_row
from tickwire.venues.frames import DECODE_FAILURES, Int64, read_epoch, read_fixed, shown
from tickwire.venues.history import History
from tickwire.venues.history_http import HistoryReply, HistoryRequest, UnreadableReply, require_ok
from tickwire.venues.newest import ROWS, NewestTrades
from tickwire.venues.paged_fill import RisingFill
from tickwire.venues.rate_budget import RateRules
from tickwire.venues.template.parse import SIDES
from tickwire.venues.template.symbols import VENUE, native_symbol

PAGE = 500
MAX_CANDLES = 1000

# The venue may have no trade under the very id before the first wanted one, and an id counts as
# absent only between two that a page holds. So the look below goes further, try by try.
STEPS_DOWN = (1, 10, 100)

# Seconds to wait after a 429 without Retry-After.
THROTTLED = {429: 1.0}


class _Trade(msgspec.Struct, gc=False):
    id: TradeId
    price: str
    size: str
    taker: str
    time: Int64


class _Named(msgspec.Struct, gc=False):
    """A row of which no more than the id is read: what else it holds is broken."""

    id: TradeId


class _Candle(msgspec.Struct, array_like=True):
    start: Int64
    open: str
    high: str
    low: str
    close: str
    volume: str


# Rows are decoded one by one, so that a broken row costs only itself.
_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_trade = msgspec.json.Decoder(_Trade).decode
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_candle = msgspec.json.Decoder(_Candle).decode


class TemplateHistory(History):
    """History of the example venue."""

    venue = VENUE
    default_url = "https://api.example.com"
    # 10 a second are allowed. Any second spends at most burst + per_second of them.
    rate = RateRules(burst=2, per_second=7)
    candle_intervals = frozenset({60, 300, 3600})

    def fill(self, symbol: str, first_id: int, last_id: int, *, after_time: int | None = None) -> Fill:
        """See :meth:`History.fill`; ``after_time`` is not needed, as trades are found by id."""
        return _Fill(native_symbol(symbol), instrument(self.venue, symbol), first_id, last_id)

    def candles(self, symbol: str, interval: int, *, start: int, end: int) -> CandleCursor:
        """See :meth:`History.candles`; the venue states prices and volume and nothing else."""
        self._check_interval(interval)
        return _Candles(native_symbol(symbol), instrument(self.venue, symbol), interval, start=start, end=end)

    def latest(self, symbol: str) -> NewestTrades:
        """See :meth:`History.latest`: without ``from`` the newest trades come."""
        query = (("market", native_symbol(symbol)), ("limit", str(ROWS)))
        return NewestTrades(HistoryRequest("/trades", query), _rows, _id)


class _Fill(RisingFill):
    """Rising ids. ``from`` is inclusive: each page starts with the last trade of the one before."""

    def __init__(self, market: str, instrument: Instrument, first: int, last: int) -> None:
        self._market = market
        super().__init__(instrument, first, last, steps=STEPS_DOWN)

    def _page_from(self, from_id: int) -> HistoryRequest:
        # One more than wanted: the trade after the gap proves what is absent at its end.
        limit = min(self.last - from_id + 2, PAGE)
        query = (("market", self._market), ("from", str(from_id)), ("limit", str(limit)))
        return HistoryRequest("/trades", query)

    def _decode(self, reply: HistoryReply, receive_time: int) -> tuple[Sequence[msgspec.Raw], int | None]:
        return _rows(reply, receive_time), None

    def _read_row(self, raw: msgspec.Raw) -> HistoryTrade:
        row: _Trade = decode_row(_decode_trade, raw, "trade")
        return HistoryTrade(
            row.id,
            read_fixed(row.price, self.instrument.price_scale, "price"),
            read_fixed(row.size, self.instrument.size_scale, "size"),
            SIDES.get(row.taker, Side.UNKNOWN),
            read_epoch(row.time, "time"),
        )

    def _name_row(self, raw: msgspec.Raw) -> int:
        return _id(raw)


class _Candles(CandleCursor):
    """Rising starts, :data:`MAX_CANDLES` a page."""

    def __init__(self, market: str, instrument: Instrument, interval: int, *, start: int, end: int) -> None:
        super().__init__(instrument, interval, start=start, end=end)
        self._market = market
        self._ask(start)

    def _ask(self, start: int) -> HistoryRequest:
        self._until = min(start + MAX_CANDLES * self.interval * SECOND, self.end)
        query = (
            ("market", self._market),
            ("seconds", str(self.interval)),
            ("from", str(start // 1_000_000)),
            ("to", str(self._until // 1_000_000)),
        )
        self.request = HistoryRequest("/candles", query)
        return self.request

    def _decode(self, reply: HistoryReply, receive_time: int) -> Sequence[msgspec.Raw]:
        return _rows(reply, receive_time)

    def _read_row(self, raw: msgspec.Raw, receive_time: int) -> Candle:
        row: _Candle = decode_row(_decode_candle, raw, "candle")
        start = read_epoch(row.start, "start")
        return Candle(
            venue=self.instrument.venue,
            symbol=self.instrument.symbol,
            interval=self.interval,
            start=start,
            open=read_decimal(row.open, "open"),
            high=read_decimal(row.high, "high"),
            low=read_decimal(row.low, "low"),
            close=read_decimal(row.close, "close"),
            volume=read_decimal(row.volume, "volume"),
            closed=self._closed(start, receive_time),
        )

    def _next(self, starts: Sequence[int]) -> HistoryRequest | None:
        # By the window asked for, not by what came: an interval without a trade may have no candle.
        return self._ask(self._until) if self._until < self.end else None


def _id(raw: msgspec.Raw) -> int:
    trade_id: int = _decode_named(raw).id
    return trade_id


def _rows(reply: HistoryReply, receive_time: int) -> Sequence[msgspec.Raw]:
    require_ok(reply, receive_time, throttled=THROTTLED)
    try:
        return _decode_rows(reply.body)
    except DECODE_FAILURES as error:
        raise UnreadableReply(f"{error}: {shown(reply.body)}") from error
