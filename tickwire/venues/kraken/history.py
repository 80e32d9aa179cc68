"""Kraken's REST history: trades by time, rising, and OHLC. Errors come with HTTP 200.

Sources: Kraken's REST pages (recent trades, OHLC, errors, rate limits), and a captured
``AssetPairs`` reply.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from tickwire.columns import Side
from tickwire.decimals import parse_fixed
from tickwire.errors import InexactDecimal
from tickwire.symbols import Instrument, instrument
from tickwire.venues.candles import SECOND, Candle, CandleCursor, read_decimal
from tickwire.venues.feed import RejectReason
from tickwire.venues.fill import Fill, HistoryTrade, Span, TradeId, decode_row
from tickwire.venues.frames import DECODE_FAILURES, Int64, UnreadableFrame, read_epoch, read_fixed, shown
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
from tickwire.venues.kraken.symbols import VENUE, native_symbol
from tickwire.venues.newest import ROWS, NewestTrades
from tickwire.venues.rate_budget import RateRules

PAGE = 1000
OVERLAP = 1_000
"""ns: REST and WebSocket times of one trade differ by less, and so do ``last`` and its row's time."""

MAX_IDLE_PAGES = 3
"""Pages in a row without a higher id, whatever time the venue says to go on from. In an honest history one is:
it repeats the overlap, and what comes after it begins behind."""

STEPS_BACK = (OVERLAP, 1_000_000, SECOND, 60 * SECOND, 3600 * SECOND, 86_400 * SECOND)
"""How long before the given time to look for a trade below the wanted ids, try by try; ns."""

# Kraken does not say how long; its public limit is about one request a second, and a
# lockout lasts up to a quarter of an hour.
THROTTLED = {429: 5.0}
LOCKOUT_SECONDS = 900.0

_REST_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
_SIDES = {"b": Side.BUY, "s": Side.SELL}
_THROTTLED_UNTIL = re.compile(r"EService:\s*Throttled:?\s*(\d{10})\b", re.ASCII)
_TOO_MANY = ("EAPI:Rate limit exceeded", "EGeneral:Too many requests", "EService:Throttled")
_LOCKED_OUT = "EGeneral:Temporary lockout"


class _Reply(msgspec.Struct):
    error: list[str]
    result: dict[str, msgspec.Raw] = {}


class _Trade(msgspec.Struct, array_like=True):
    price: str
    volume: str
    time: msgspec.Raw
    side: str
    order_type: str
    misc: str
    trade_id: TradeId


class _Ohlc(msgspec.Struct, array_like=True):
    time: Int64
    open: str
    high: str
    low: str
    close: str
    vwap: str
    volume: str
    trades: Int64


_decode_reply = msgspec.json.Decoder(_Reply).decode
_decode_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_trade = msgspec.json.Decoder(_Trade).decode
_decode_ohlc = msgspec.json.Decoder(_Ohlc).decode
_decode_id = msgspec.json.Decoder(TradeId).decode
_decode_position = msgspec.json.Decoder(Int64, strict=False).decode


class KrakenHistory(History):
    """History of Kraken Spot."""

    venue = VENUE
    default_url = "https://api.kraken.com"
    # Kraken's page: one call a second stays within the limit, of which Trades and OHLC have one
    # for each address and pair.
    rate = RateRules(burst=1, per_second=1)
    candle_intervals = frozenset(60 * minutes for minutes in (1, 5, 15, 30, 60, 240, 1440))

    def fill(self, symbol: str, first_id: int, last_id: int, *, after_time: int | None = None) -> Fill:
        """See :meth:`History.fill`; Kraken pages by time, so ``after_time`` is needed."""
        pair = rest_pair(symbol)
        if after_time is None:
            raise ValueError("Kraken's trades are found by time: after_time is needed")
        return _KrakenFill(pair, instrument(self.venue, symbol), first_id, last_id, after_time=after_time)

    def candles(self, symbol: str, interval: int, *, start: int, end: int) -> CandleCursor:
        """See :meth:`History.candles`; only the latest 720 are to be had, and no buy volume."""
        self._check_interval(interval)
        return _Ohlcs(rest_pair(symbol), instrument(self.venue, symbol), interval, start=start, end=end)

    def latest(self, symbol: str) -> NewestTrades:
        """See :meth:`History.latest`: without ``since`` the newest trades come."""
        request = HistoryRequest("/0/public/Trades", (("pair", rest_pair(symbol)), ("count", str(ROWS))))
        return NewestTrades(request, lambda reply, receive_time: _rows(reply, receive_time)[0], _id)

    def budget_key(self, symbol: str) -> str:
        """Give one budget a pair, as Kraken counts Trades and OHLC by address and pair."""
        return f"{self.venue}:{symbol}"


def rest_pair(symbol: str) -> str:
    """Turn ``BTC-USD`` into ``XBTUSD``, the alternative name that Kraken's REST takes.

    Raises
    ------
    UnknownSymbol
        If it is not a canonical symbol.
    """
    base, quote = native_symbol(symbol).split("/")
    return _REST_NAMES.get(base, base) + _REST_NAMES.get(quote, quote)


class _KrakenFill(Fill):
    """Rising times: ``since`` is exclusive, so each page starts a little before where the last one ended."""

    def __init__(self, pair: str, instrument: Instrument, first: int, last: int, *, after_time: int) -> None:
        super().__init__(instrument, first, last)
        self._pair = pair
        self._after_time = after_time
        self._steps_back = iter(STEPS_BACK)
        self._anchored = False
        self._highest = -1
        self._idle_pages = 0
        self._ask(after_time - next(self._steps_back))

    def _ask(self, since: int) -> HistoryRequest:
        self._since = max(since, 0)
        query = (("pair", self._pair), ("since", str(self._since)), ("count", str(PAGE)))
        self.request = HistoryRequest("/0/public/Trades", query)
        return self.request

    def _decode(self, reply: HistoryReply, receive_time: int) -> tuple[Sequence[msgspec.Raw], int | None]:
        rows, last = _rows(reply, receive_time)
        return rows, last

    def _read_row(self, raw: msgspec.Raw) -> HistoryTrade:
        row: _Trade = decode_row(_decode_trade, raw, "trade")
        return HistoryTrade(
            row.trade_id,
            read_fixed(row.price, self.instrument.price_scale, "price"),
            read_fixed(row.volume, self.instrument.size_scale, "volume"),
            _SIDES.get(row.side, Side.UNKNOWN),
            _seconds(row.time),
        )

    def _name_row(self, raw: msgspec.Raw) -> int:
        return _id(raw)

    def _next(self, span: Span) -> HistoryRequest | None:
        if not self._anchored and (not span.ids or span.ids[0] > self.first) and self._since > 0:
            step = next(self._steps_back, None)
            if step is not None:
                return self._ask(self._after_time - step)
        self._anchored = True
        if span.ids and span.ids[-1] >= self.last:
            return self._end("no trade below them was found near after_time, or a row of the page cannot be read")
        position = span.newest_time if span.position is None else span.position
        highest = max(self._highest, span.ids[-1]) if span.ids else self._highest
        if position is None or position <= self._since:
            return self._end(f"kraken's history ends at id {highest}")
        advanced, self._highest = highest > self._highest, highest
        self._idle_pages = 0 if advanced else self._idle_pages + 1
        if self._idle_pages >= MAX_IDLE_PAGES:
            return self._end(f"kraken's history goes on in time, and not beyond id {highest}")
        if advanced and position - OVERLAP > self._since:
            return self._ask(position - OVERLAP)
        # Nothing new within the overlap: a page full of one moment, or the end.
        return self._ask(position)


class _Ohlcs(CandleCursor):
    """One page: Kraken has no more than its latest 720, the last of which still runs."""

    def __init__(self, pair: str, instrument: Instrument, interval: int, *, start: int, end: int) -> None:
        super().__init__(instrument, interval, start=start, end=end)
        since = max(start // SECOND - interval, 0)
        query = (("pair", pair), ("interval", str(interval // 60)), ("since", str(since)))
        self.request = HistoryRequest("/0/public/OHLC", query)
        self._committed = self.end

    def _decode(self, reply: HistoryReply, receive_time: int) -> Sequence[msgspec.Raw]:
        rows, last = _rows(reply, receive_time)
        self._committed = self.end if last is None else last * SECOND
        return rows

    def _read_row(self, raw: msgspec.Raw, receive_time: int) -> Candle:
        row: _Ohlc = decode_row(_decode_ohlc, raw, "ohlc")
        start = read_epoch(row.time, "time")
        vwap, volume = read_decimal(row.vwap, "vwap"), read_decimal(row.volume, "volume")
        return Candle(
            venue=self.instrument.venue,
            symbol=self.instrument.symbol,
            interval=self.interval,
            start=start,
            open=read_decimal(row.open, "open"),
            high=read_decimal(row.high, "high"),
            low=read_decimal(row.low, "low"),
            close=read_decimal(row.close, "close"),
            volume=volume,
            closed=start <= self._committed and self._closed(start, receive_time),
            vwap=vwap if vwap > Decimal(0) else None,
            trades=row.trades,
        )

    def _next(self, starts: Sequence[int]) -> HistoryRequest | None:
        return None


def _seconds(raw: msgspec.Raw) -> int:
    """Turn ``1762795433.9717445`` into ns by its text: a double has not the digits for it."""
    text = bytes(raw).decode("latin-1")
    try:
        return parse_fixed(text, 9)
    except InexactDecimal as error:
        raise UnreadableFrame(RejectReason.BAD_TIME, f"time={shown(text)}: {error}") from error


def _id(raw: msgspec.Raw) -> int:
    columns = _decode_rows(raw)
    return _decode_id(columns[6] if len(columns) > 6 else msgspec.Raw(b"null"))


def _rows(reply: HistoryReply, receive_time: int) -> tuple[Sequence[msgspec.Raw], int | None]:
    """Give the rows and ``last`` of a reply, whose rows stand under the pair's REST name, not the one asked for."""
    require_ok(reply, receive_time, throttled=THROTTLED)
    try:
        message = _decode_reply(reply.body)
        _require_no_error(message.error, receive_time)
        names = [name for name in message.result if name != "last"]
        if len(names) != 1:
            raise UnreadableReply(f"rows of {len(names)} pairs: {shown(reply.body)}")
        return _decode_rows(message.result[names[0]]), _position(message.result.get("last"))
    except DECODE_FAILURES as error:
        raise UnreadableReply(f"{error}: {shown(reply.body)}") from error


def _position(raw: msgspec.Raw | None) -> int | None:
    try:
        return None if raw is None else _decode_position(raw)
    except DECODE_FAILURES:
        return None


def _require_no_error(errors: Sequence[str], receive_time: int) -> None:
    faults = [error for error in errors if not error.startswith("W")]
    if not faults:
        return
    text = ", ".join(faults)[:300]
    for fault in faults:
        until = _THROTTLED_UNTIL.search(fault)
        if until is not None:
            raise RateLimited(text, retry_after_seconds=int(until[1]) - receive_time / 1e9)
        if fault.replace(": ", ":").startswith(_TOO_MANY):
            raise RateLimited(text, retry_after_seconds=THROTTLED[429])
        if fault.startswith(_LOCKED_OUT):
            raise RateLimited(text, retry_after_seconds=LOCKOUT_SECONDS, banned=True)
    if any(fault.startswith(("EService:", "EGeneral:Internal error")) for fault in faults):
        raise VenueUnavailable(text)
    raise RequestRejected(text)
