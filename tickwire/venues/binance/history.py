"""Binance's REST history: trades by rising id, and klines.

Sources: Binance's REST pages for spot (old trade lookup, klines, limits), and captured
``exchangeInfo`` replies.
"""

from collections.abc import Sequence

import msgspec

from tickwire.columns import Side
from tickwire.symbols import Instrument, instrument
from tickwire.venues.binance.symbols import native_symbol
from tickwire.venues.candles import SECOND, Candle, CandleCursor, read_decimal
from tickwire.venues.fill import Fill, HistoryTrade, TradeId, decode_row
from tickwire.venues.frames import DECODE_FAILURES, Int64, read_epoch, read_fixed, shown
from tickwire.venues.history import History
from tickwire.venues.history_http import HistoryReply, HistoryRequest, UnreadableReply, require_ok
from tickwire.venues.newest import ROWS, NewestTrades
from tickwire.venues.paged_fill import RisingFill
from tickwire.venues.rate_budget import RateRules

PAGE = 1000
TRADES_WEIGHT = 25
KLINES_WEIGHT = 2
STEPS_DOWN = (1, 10, 100, 500)
"""How far below the first wanted id to look for a trade that the venue has, try by try."""

# A 429 that does not say how long is over when the minute is; the shortest ban (418) is two minutes.
THROTTLED = {429: 60.0, 418: 120.0}

_INTERVALS = {
    1: "1s",
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1800: "30m",
    3600: "1h",
    7200: "2h",
    14400: "4h",
    21600: "6h",
    28800: "8h",
    43200: "12h",
    86400: "1d",
}


class _Trade(msgspec.Struct, gc=False):
    id: TradeId
    price: str
    qty: str
    time: Int64
    isBuyerMaker: bool  # noqa: N815 - the wire's name


class _Named(msgspec.Struct, gc=False):
    id: TradeId


class _Kline(msgspec.Struct, array_like=True, gc=False):
    open_time: Int64
    open: str
    high: str
    low: str
    close: str
    volume: str
    close_time: Int64
    notional: str
    trades: Int64
    buy_volume: str


_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_trade = msgspec.json.Decoder(_Trade).decode
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_kline = msgspec.json.Decoder(_Kline).decode


class BinanceHistory(History):
    """History of Binance Spot. No key is needed for market data."""

    venue = "binance"
    default_url = "https://api.binance.com"
    # 6,000 a minute and address; 900 + 60 x 75 keeps nine tenths of it in any minute.
    rate = RateRules(burst=900, per_second=75, window_weight=5400)
    candle_intervals = frozenset(_INTERVALS)

    def fill(self, symbol: str, first_id: int, last_id: int, *, after_time: int | None = None) -> Fill:
        """See :meth:`History.fill`; ``after_time`` is not needed."""
        return _BinanceFill(native_symbol(symbol), instrument(self.venue, symbol), first_id, last_id)

    def candles(self, symbol: str, interval: int, *, start: int, end: int) -> CandleCursor:
        """See :meth:`History.candles`; Binance's candles have every column but the VWAP."""
        self._check_interval(interval)
        return _Klines(native_symbol(symbol), instrument(self.venue, symbol), interval, start=start, end=end)

    def latest(self, symbol: str) -> NewestTrades:
        """See :meth:`History.latest`: without ``fromId`` the newest trades come."""
        query = (("symbol", native_symbol(symbol)), ("limit", str(ROWS)))
        request = HistoryRequest("/api/v3/historicalTrades", query, weight=TRADES_WEIGHT)
        return NewestTrades(request, _rows, _id)

    def used_weight(self, reply: HistoryReply) -> int | None:
        """Give the weight that this address has used in the current minute."""
        text = reply.header("X-MBX-USED-WEIGHT-1M") or ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class BinanceUsHistory(BinanceHistory):
    """History of Binance.US: the same formats, other ids, and a fifth of the weight."""

    venue = "binance-us"
    default_url = "https://api.binance.us"
    # 1,200 a minute by its exchangeInfo; 180 + 60 x 15 is nine tenths of it.
    rate = RateRules(burst=180, per_second=15, window_weight=1080)


class _BinanceFill(RisingFill):
    """Rising ids: ``fromId`` is inclusive, so each page starts with the last trade of the one before."""

    def __init__(self, native: str, instrument: Instrument, first: int, last: int) -> None:
        self._native = native
        super().__init__(instrument, first, last, steps=STEPS_DOWN)

    def _page_from(self, from_id: int) -> HistoryRequest:
        limit = min(self.last - from_id + 1, PAGE)
        query = (("symbol", self._native), ("fromId", str(from_id)), ("limit", str(max(limit, 2))))
        return HistoryRequest("/api/v3/historicalTrades", query, weight=TRADES_WEIGHT)

    def _decode(self, reply: HistoryReply, receive_time: int) -> tuple[Sequence[msgspec.Raw], int | None]:
        return _rows(reply, receive_time), None

    def _read_row(self, raw: msgspec.Raw) -> HistoryTrade:
        row: _Trade = decode_row(_decode_trade, raw, "trade")
        return HistoryTrade(
            row.id,
            read_fixed(row.price, self.instrument.price_scale, "price"),
            read_fixed(row.qty, self.instrument.size_scale, "qty"),
            Side.SELL if row.isBuyerMaker else Side.BUY,
            read_epoch(row.time, "time"),
        )

    def _name_row(self, raw: msgspec.Raw) -> int:
        return _id(raw)


class _Klines(CandleCursor):
    """Rising open times, 1,000 a page."""

    def __init__(self, native: str, instrument: Instrument, interval: int, *, start: int, end: int) -> None:
        super().__init__(instrument, interval, start=start, end=end)
        self._native = native
        self._ask(start)

    def _ask(self, start: int) -> HistoryRequest:
        self._from = start
        query = (
            ("symbol", self._native),
            ("interval", _INTERVALS[self.interval]),
            ("startTime", str(start // 1_000_000)),
            ("endTime", str(self.end // 1_000_000 - 1)),
            ("limit", str(PAGE)),
        )
        self.request = HistoryRequest("/api/v3/klines", query, weight=KLINES_WEIGHT)
        return self.request

    def _decode(self, reply: HistoryReply, receive_time: int) -> Sequence[msgspec.Raw]:
        return _rows(reply, receive_time)

    def _read_row(self, raw: msgspec.Raw, receive_time: int) -> Candle:
        row: _Kline = decode_row(_decode_kline, raw, "kline")
        start = read_epoch(row.open_time, "openTime")
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
            notional=read_decimal(row.notional, "quoteVolume"),
            trades=row.trades,
            buy_volume=read_decimal(row.buy_volume, "takerBuyVolume"),
        )

    def _next(self, starts: Sequence[int]) -> HistoryRequest | None:
        following = max(starts, default=self.end) + self.interval * SECOND
        return self._ask(following) if self._from < following < self.end else None


def _id(raw: msgspec.Raw) -> int:
    trade_id: int = _decode_named(raw).id
    return trade_id


def _rows(reply: HistoryReply, receive_time: int) -> Sequence[msgspec.Raw]:
    require_ok(reply, receive_time, throttled=THROTTLED)
    try:
        return _decode_rows(reply.body)
    except DECODE_FAILURES as error:
        raise UnreadableReply(f"{error}: {shown(reply.body)}") from error
