"""OKX's REST history: trades newest first by id, and candles. Errors come with HTTP 200, too.

Source: OKX's API guide, "GET / Trades history", "GET / Candlesticks history" and "Error Code". The
history reaches three months back.
"""

from collections.abc import Sequence

import msgspec

from tickwire.columns import Side
from tickwire.symbols import Instrument, instrument
from tickwire.venues.candles import SECOND, Candle, CandleCursor, read_decimal
from tickwire.venues.fill import Fill, HistoryTrade, decode_row
from tickwire.venues.frames import DECODE_FAILURES, UnreadableFrame, read_epoch, read_fixed, shown
from tickwire.venues.history import History
from tickwire.venues.history_http import (
    HistoryReply,
    HistoryRequest,
    RateLimited,
    RequestRejected,
    UnreadableReply,
    VenueUnavailable,
    require_ok,
)
from tickwire.venues.newest import ROWS, NewestTrades
from tickwire.venues.okx.parse import SIDES, TradeRow, read_digits
from tickwire.venues.okx.symbols import VENUE, native_symbol
from tickwire.venues.paged_fill import FallingFill
from tickwire.venues.rate_budget import RateRules

PAGE = 100
MAX_CANDLES = 300
STEPS_UP = (1, 10, 90)
"""How far above the last wanted id to look for a trade that the venue has, try by try."""

# The limit is per two seconds, so after those it is over.
THROTTLED = {429: 2.0}
_TOO_MANY = frozenset({"50011", "50061"})
# Unavailable, timed out, busy, system error: by the guide's text, to be tried again.
_UNAVAILABLE = frozenset({"50001", "50004", "50013", "50026"})

# Bars from 6 h on open by Hong Kong's day unless asked for by UTC.
_BARS = {
    1: "1s",
    60: "1m",
    180: "3m",
    300: "5m",
    900: "15m",
    1800: "30m",
    3600: "1H",
    7200: "2H",
    14400: "4H",
    21600: "6Hutc",
    43200: "12Hutc",
    86400: "1Dutc",
}


class _Reply(msgspec.Struct):
    code: str
    msg: str = ""
    data: list[msgspec.Raw] | None = None


class _Named(msgspec.Struct, gc=False):
    tradeId: str  # noqa: N815 - the wire's name


class _Candle(msgspec.Struct, array_like=True):
    ts: str
    open: str
    high: str
    low: str
    close: str
    volume: str
    volume_ccy: str
    notional: str
    confirm: str


_decode_reply = msgspec.json.Decoder(_Reply).decode
_decode_trade = msgspec.json.Decoder(TradeRow).decode
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_candle = msgspec.json.Decoder(_Candle).decode


class OkxHistory(History):
    """History of OKX Spot. No key is needed for market data."""

    venue = VENUE
    default_url = "https://www.okx.com"
    # 20 requests in 2 s, address and endpoint; 2 + 2 x 8 keeps nine tenths of it in any 2 s.
    rate = RateRules(burst=2, per_second=8)
    candle_intervals = frozenset(_BARS)

    def fill(self, symbol: str, first_id: int, last_id: int, *, after_time: int | None = None) -> Fill:
        """See :meth:`History.fill`; ``after_time`` is not needed. The highest ids come first."""
        return _OkxFill(native_symbol(symbol), instrument(self.venue, symbol), first_id, last_id)

    def candles(self, symbol: str, interval: int, *, start: int, end: int) -> CandleCursor:
        """See :meth:`History.candles`; OKX states prices, volume and notional."""
        self._check_interval(interval)
        return _Candles(native_symbol(symbol), instrument(self.venue, symbol), interval, start=start, end=end)

    def latest(self, symbol: str) -> NewestTrades:
        """See :meth:`History.latest`: without ``after`` the newest trades come."""
        query = (("instId", native_symbol(symbol)), ("limit", str(ROWS)))
        return NewestTrades(HistoryRequest("/api/v5/market/history-trades", query), _rows, _id)


class _OkxFill(FallingFill):
    """Falling ids: ``after`` gives the trades below it, so each page starts with the last of the one before."""

    def __init__(self, native: str, instrument: Instrument, first: int, last: int) -> None:
        self._native = native
        super().__init__(instrument, first, last, steps=STEPS_UP)

    def _page_below(self, after: int) -> HistoryRequest:
        # The last row wanted is the one below the gap.
        limit = min(max(after - self.first + 1, 2), PAGE)
        query = (("instId", self._native), ("type", "1"), ("after", str(after)), ("limit", str(limit)))
        return HistoryRequest("/api/v5/market/history-trades", query)

    def _decode(self, reply: HistoryReply, receive_time: int) -> tuple[Sequence[msgspec.Raw], int | None]:
        return _rows(reply, receive_time), None

    def _read_row(self, raw: msgspec.Raw) -> HistoryTrade:
        row: TradeRow = decode_row(_decode_trade, raw, "trade")
        return HistoryTrade(
            read_digits(row.tradeId, "tradeId"),
            read_fixed(row.px, self.instrument.price_scale, "px"),
            read_fixed(row.sz, self.instrument.size_scale, "sz"),
            SIDES.get(row.side, Side.UNKNOWN),
            read_epoch(read_digits(row.ts, "ts"), "ts"),
        )

    def _name_row(self, raw: msgspec.Raw) -> int:
        return _id(raw)


class _Candles(CandleCursor):
    """Windows of 300 from old to new; both bounds are exclusive, and within a page the newest comes first."""

    def __init__(self, native: str, instrument: Instrument, interval: int, *, start: int, end: int) -> None:
        super().__init__(instrument, interval, start=start, end=end)
        self._native = native
        self._ask(start)

    def _ask(self, start: int) -> HistoryRequest:
        self._until = min(start + MAX_CANDLES * self.interval * SECOND, self.end)
        query = (
            ("instId", self._native),
            ("bar", _BARS[self.interval]),
            ("after", str(self._until // 1_000_000)),
            ("before", str(start // 1_000_000 - 1)),
            ("limit", str(MAX_CANDLES)),
        )
        self.request = HistoryRequest("/api/v5/market/history-candles", query)
        return self.request

    def _decode(self, reply: HistoryReply, receive_time: int) -> Sequence[msgspec.Raw]:
        return _rows(reply, receive_time)

    def _read_row(self, raw: msgspec.Raw, receive_time: int) -> Candle:
        row: _Candle = decode_row(_decode_candle, raw, "candle")
        start = read_epoch(read_digits(row.ts, "ts"), "ts")
        return Candle(
            venue=self.instrument.venue,
            symbol=self.instrument.symbol,
            interval=self.interval,
            start=start,
            open=read_decimal(row.open, "o"),
            high=read_decimal(row.high, "h"),
            low=read_decimal(row.low, "l"),
            close=read_decimal(row.close, "c"),
            volume=read_decimal(row.volume, "vol"),
            closed=row.confirm == "1" and self._closed(start, receive_time),
            notional=read_decimal(row.notional, "volCcyQuote"),
        )

    def _next(self, starts: Sequence[int]) -> HistoryRequest | None:
        return self._ask(self._until) if self._until < self.end else None


def _id(raw: msgspec.Raw) -> int:
    try:
        return read_digits(_decode_named(raw).tradeId, "tradeId")
    except UnreadableFrame as fault:
        raise msgspec.DecodeError(fault.detail) from fault


def _rows(reply: HistoryReply, receive_time: int) -> Sequence[msgspec.Raw]:
    try:
        require_ok(reply, receive_time, throttled=THROTTLED)
    except RequestRejected as rejected:
        # A timeout within OKX comes with HTTP 400, too.
        if _code(reply) in _UNAVAILABLE:
            raise VenueUnavailable(str(rejected)) from rejected
        raise
    try:
        message = _decode_reply(reply.body)
    except DECODE_FAILURES as error:
        raise UnreadableReply(f"{error}: {shown(reply.body)}") from error
    text = f"code {message.code}: {message.msg}"[:300]
    if message.code in _TOO_MANY:
        raise RateLimited(text, retry_after_seconds=THROTTLED[429])
    if message.code in _UNAVAILABLE:
        raise VenueUnavailable(text)
    if message.code != "0":
        raise RequestRejected(text)
    if message.data is None:
        raise UnreadableReply(f"no data: {shown(reply.body)}")
    return message.data


def _code(reply: HistoryReply) -> str:
    try:
        return _decode_reply(reply.body).code
    except DECODE_FAILURES:
        return ""
