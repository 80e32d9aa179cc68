"""Coinbase Exchange's REST history, which serves Advanced Trade's ids too: trades newest first, and candles.

Sources: Coinbase's Exchange REST pages (product trades, product candles, pagination, rate limits).
"""

from collections.abc import Sequence

import msgspec

from tickwire.columns import Side
from tickwire.symbols import Instrument, instrument
from tickwire.timestamps import format_rfc3339
from tickwire.venues.candles import SECOND, Candle, CandleCursor, read_decimal
from tickwire.venues.coinbase.messages import AGGRESSOR
from tickwire.venues.coinbase.symbols import VENUE, native_symbol
from tickwire.venues.fill import Fill, HistoryTrade, TradeId, decode_row
from tickwire.venues.frames import DECODE_FAILURES, Int64, read_epoch, read_fixed, read_time, shown
from tickwire.venues.history import History
from tickwire.venues.history_http import HistoryReply, HistoryRequest, UnreadableReply, require_ok
from tickwire.venues.newest import ROWS, NewestTrades
from tickwire.venues.paged_fill import FallingFill
from tickwire.venues.rate_budget import RateRules

PAGE = 1000
MAX_CANDLES = 300
"""Coinbase rejects a range of more candles than this."""

STEPS_UP = (1, 10, 100, 500)
"""How far above the last wanted id to look for a trade that the venue has, try by try."""

THROTTLED = {429: 1.0}


class _Trade(msgspec.Struct, gc=False):
    trade_id: TradeId
    side: str
    size: str
    price: str
    time: str


class _Named(msgspec.Struct, gc=False):
    trade_id: TradeId


class _Candle(msgspec.Struct, array_like=True):
    time: Int64
    low: msgspec.Raw
    high: msgspec.Raw
    open: msgspec.Raw
    close: msgspec.Raw
    volume: msgspec.Raw


_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_trade = msgspec.json.Decoder(_Trade).decode
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_candle = msgspec.json.Decoder(_Candle).decode


class CoinbaseHistory(History):
    """History of Coinbase Exchange."""

    venue = VENUE
    default_url = "https://api.exchange.coinbase.com"
    # 10 requests a second and address with bursts of 15, by a token bucket as ours is.
    rate = RateRules(burst=10, per_second=9)
    candle_intervals = frozenset({60, 300, 900, 3600, 21600, 86400})

    def fill(self, symbol: str, first_id: int, last_id: int, *, after_time: int | None = None) -> Fill:
        """See :meth:`History.fill`; ``after_time`` is not needed. The highest ids come first."""
        return _CoinbaseFill(native_symbol(symbol), instrument(self.venue, symbol), first_id, last_id)

    def candles(self, symbol: str, interval: int, *, start: int, end: int) -> CandleCursor:
        """See :meth:`History.candles`; prices and volume are all that Coinbase states."""
        self._check_interval(interval)
        return _Candles(native_symbol(symbol), instrument(self.venue, symbol), interval, start=start, end=end)

    def latest(self, symbol: str) -> NewestTrades:
        """See :meth:`History.latest`: without ``after`` the newest trades come."""
        request = HistoryRequest(f"/products/{native_symbol(symbol)}/trades", (("limit", str(ROWS)),))
        return NewestTrades(request, _rows, _id)


class _CoinbaseFill(FallingFill):
    """Falling ids: ``after`` gives the trades below it, so each page starts with the last of the one before."""

    def __init__(self, product_id: str, instrument: Instrument, first: int, last: int) -> None:
        self._path = f"/products/{product_id}/trades"
        super().__init__(instrument, first, last, steps=STEPS_UP)

    def _page_below(self, after: int) -> HistoryRequest:
        # One more than the ids wanted, for the trade below the lowest of them.
        limit = min(after - self.first + 1, PAGE)
        return HistoryRequest(self._path, (("limit", str(limit)), ("after", str(after))))

    def _decode(self, reply: HistoryReply, receive_time: int) -> tuple[Sequence[msgspec.Raw], int | None]:
        return _rows(reply, receive_time), None

    def _read_row(self, raw: msgspec.Raw) -> HistoryTrade:
        row: _Trade = decode_row(_decode_trade, raw, "trade")
        return HistoryTrade(
            row.trade_id,
            read_fixed(row.price, self.instrument.price_scale, "price"),
            read_fixed(row.size, self.instrument.size_scale, "size"),
            AGGRESSOR.get(row.side, Side.UNKNOWN),
            read_time(row.time, "time"),
        )

    def _name_row(self, raw: msgspec.Raw) -> int:
        return _id(raw)


class _Candles(CandleCursor):
    """Windows of 300 from old to new; within a page the newest comes first."""

    def __init__(self, product_id: str, instrument: Instrument, interval: int, *, start: int, end: int) -> None:
        super().__init__(instrument, interval, start=start, end=end)
        self._path = f"/products/{product_id}/candles"
        self._ask(start)

    def _ask(self, start: int) -> HistoryRequest:
        step = self.interval * SECOND
        self._until = min(start + MAX_CANDLES * step, self.end)
        query = (
            ("granularity", str(self.interval)),
            ("start", _whole_second(start)),
            ("end", _whole_second(self._until - step)),
        )
        self.request = HistoryRequest(self._path, query)
        return self.request

    def _decode(self, reply: HistoryReply, receive_time: int) -> Sequence[msgspec.Raw]:
        return _rows(reply, receive_time)

    def _read_row(self, raw: msgspec.Raw, receive_time: int) -> Candle:
        row: _Candle = decode_row(_decode_candle, raw, "candle")
        start = read_epoch(row.time, "time")
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
        return self._ask(self._until) if self._until < self.end else None


def _whole_second(nanoseconds: int) -> str:
    return format_rfc3339(nanoseconds)[:19] + "Z"


def _id(raw: msgspec.Raw) -> int:
    trade_id: int = _decode_named(raw).trade_id
    return trade_id


def _rows(reply: HistoryReply, receive_time: int) -> Sequence[msgspec.Raw]:
    require_ok(reply, receive_time, throttled=THROTTLED)
    try:
        return _decode_rows(reply.body)
    except DECODE_FAILURES as error:
        raise UnreadableReply(f"{error}: {shown(reply.body)}") from error
