"""Kraken v2 frames into columns: trades, quotes from the ticker, and books checked by CRC-32."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tickwire.columns import Side, TradeFlag
from tickwire.decimals import INT64_MAX, parse_fixed
from tickwire.errors import InexactDecimal, UnknownSymbol, UnreadableTime
from tickwire.timestamps import parse_rfc3339
from tickwire.venues.drift import DriftWatch
from tickwire.venues.feed import (
    MAX_FRAME_BYTES,
    Feed,
    FrameReject,
    Liveness,
    ParsedFrames,
    RejectReason,
    VenueStatus,
)
from tickwire.venues.kraken.book import Book
from tickwire.venues.kraken.messages import (
    ABSENT,
    EXPECTED,
    OPTIONAL,
    BookRow,
    Message,
    StatusRow,
    SubscribeResult,
    TickerRow,
    TradeRow,
)
from tickwire.venues.kraken.subscribe import PING, subscribe_frames
from tickwire.venues.kraken.symbols import VENUE, kraken_instrument

_MAX_NAME = 40
_SIDES = {"buy": Side.BUY, "sell": Side.SELL}

_decode_message = msgspec.json.Decoder(Message).decode
_decode_raw_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_result = msgspec.json.Decoder(SubscribeResult).decode

Problem = tuple[RejectReason, str]


class _RowDecoder:
    """Decodes the rows of a message at once and, where that fails, one by one."""

    __slots__ = ("_decode_all", "_decode_one")

    def __init__(self, row_type: Any) -> None:
        self._decode_all = msgspec.json.Decoder(list[row_type]).decode
        self._decode_one = msgspec.json.Decoder(row_type).decode

    def rows(self, data: msgspec.Raw, problems: list[Problem]) -> list[Any]:
        try:
            return self._decode_all(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        rows = []
        for raw in _decode_raw_rows(data):
            try:
                rows.append(self._decode_one(raw))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                problems.append(_problem(error))
        return rows


_ROWS = {
    "trade": _RowDecoder(TradeRow),
    "ticker": _RowDecoder(TickerRow),
    "book": _RowDecoder(BookRow),
    "status": _RowDecoder(StatusRow),
}


class KrakenFeed(Feed):
    """Kraken Spot's public WebSocket v2.

    The side of a trade is the taker's already. Books are kept ten levels deep only to check them:
    a checksum that fails shows lost or altered messages, which Kraken numbers nowhere else.
    """

    name = VENUE
    venue = VENUE
    default_url = "wss://ws.kraken.com"
    # A heartbeat comes every second beside the data; a book alone may rest 26 s on a quiet pair.
    liveness = Liveness(silence_seconds=10, stream_silence_seconds=60, ping_payload=PING, ping_seconds=30)

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}
        self._depths: dict[str, int] = {}
        self._drift = DriftWatch(EXPECTED, OPTIONAL)

    def connect_path(self, symbols: Sequence[str]) -> str:
        """Give ``/v2``, whatever the symbols."""
        return "/v2"

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Give the frames that subscribe to trade, ticker and book of canonical symbols."""
        return subscribe_frames(symbols)

    def reconnected(self) -> None:
        """Forget the books and depths of the last connection."""
        self._books.clear()
        self._depths.clear()

    def parse(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Read one text frame into ``out``."""
        out.frames += 1
        problems: list[Problem] = []
        if len(frame) > MAX_FRAME_BYTES:
            problems.append((RejectReason.TOO_LARGE, f"{len(frame)} bytes"))
        else:
            try:
                self._read(frame, receive_time, out, problems)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                problems.append(_problem(error))
            if problems:
                self._observe(frame, out)
        if problems:
            reason, detail = problems[0]
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            out.rejects.append(FrameReject(reason, detail + more, frame, receive_time))

    def _read(self, frame: bytes, receive_time: int, out: ParsedFrames, problems: list[Problem]) -> None:
        message = _decode_message(frame)
        channel = message.channel
        if channel is None:
            self._reply(message, out, problems)
            return
        decoder = _ROWS.get(channel)
        if decoder is None:
            out.ignored[channel[:_MAX_NAME]] += 1
            return
        if message.data == ABSENT:
            problems.append((RejectReason.MISSING_FIELD, f"{channel} without data"))
            return
        if self._drift.due(channel):
            self._observe(frame, out)
        snapshot = message.type == "snapshot"
        rows = decoder.rows(message.data, problems)
        if snapshot and channel == "trade":
            rows.sort(key=_trade_id)
        for row in rows:
            try:
                if channel == "trade":
                    _add_trade(row, snapshot, receive_time, out)
                elif channel == "ticker":
                    _add_quote(row, receive_time, out)
                elif channel == "book":
                    self._check_book(row, snapshot, out, problems)
                else:
                    out.statuses.append(VenueStatus(_status_text(row)))
            except (InexactDecimal, UnreadableTime, UnknownSymbol) as error:
                problems.append(_problem(error))

    def _check_book(self, row: BookRow, snapshot: bool, out: ParsedFrames, problems: list[Problem]) -> None:
        # Taken out while it changes, so that a book that fails in the middle is forgotten.
        book = self._books.pop(row.symbol, None)
        if snapshot:
            scale = kraken_instrument(row.symbol).price_scale
            book = Book(row.bids, row.asks, price_scale=scale, depth=self._depths.get(row.symbol))
        elif book is None:
            out.ignored["book_without_snapshot"] += 1
            return
        else:
            book.apply(row.bids, row.asks)
        checksum = book.checksum()
        if checksum == row.checksum:
            self._books[row.symbol] = book
            out.ignored["book"] += 1
            return
        out.checksum_failures += 1
        problems.append((RejectReason.CHECKSUM, f"{row.symbol} book is {checksum}, Kraken says {row.checksum}"))
        out.statuses.append(
            VenueStatus(f"book {row.symbol} failed its checksum and is dropped: resubscribe for a new snapshot")
        )

    def _reply(self, message: Message, out: ParsedFrames, problems: list[Problem]) -> None:
        if message.error is not None or message.success is False:
            words = [word for word in (message.method, message.symbol) if word]
            out.statuses.append(VenueStatus(f"error: {' '.join(words) or 'request'}: {message.error}"))
        elif message.method is None:
            problems.append((RejectReason.MISSING_FIELD, "neither channel nor method"))
        else:
            out.ignored[message.method[:_MAX_NAME]] += 1
            if message.method == "subscribe" and message.result != ABSENT:
                result = _decode_result(message.result)
                if result.channel == "book" and result.depth is not None:
                    self._depths[result.symbol] = result.depth
                out.statuses.extend(VenueStatus(f"warning: {warning}") for warning in result.warnings)

    def _observe(self, frame: bytes, out: ParsedFrames) -> None:
        try:
            message = msgspec.json.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not isinstance(message, dict) or not isinstance(message.get("channel"), str):
            return
        rows = message.get("data")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict):
                self._drift.observe(message["channel"], row, out)


def _trade_id(row: TradeRow) -> int:
    return row.trade_id


def _fixed(raw: msgspec.Raw, scale: int) -> int:
    # Latin-1 reads any byte, so that a damaged number is refused as a number.
    return parse_fixed(bytes(raw).decode("latin-1"), scale)


def _add_trade(row: TradeRow, snapshot: bool, receive_time: int, out: ParsedFrames) -> None:
    if not 0 <= row.trade_id <= INT64_MAX:
        raise InexactDecimal(f"trade_id {row.trade_id} is outside int64")
    instrument = kraken_instrument(row.symbol)
    out.trades.append(
        instrument,
        trade_id=row.trade_id,
        price=_fixed(row.price, instrument.price_scale),
        size=_fixed(row.qty, instrument.size_scale),
        side=_SIDES.get(row.side, Side.UNKNOWN),
        exchange_time=parse_rfc3339(row.timestamp),
        receive_time=receive_time,
        flags=TradeFlag.SNAPSHOT if snapshot else 0,
    )


def _add_quote(row: TickerRow, receive_time: int, out: ParsedFrames) -> None:
    instrument = kraken_instrument(row.symbol)
    bid, ask = _fixed(row.bid, instrument.price_scale), _fixed(row.ask, instrument.price_scale)
    exchange_time = receive_time if row.timestamp is None else parse_rfc3339(row.timestamp)
    # A pair that nobody quotes comes as bid 0, ask 0, 1970-01-01.
    if bid == 0 or ask == 0:
        out.ignored["ticker_without_prices"] += 1
    elif row.timestamp is not None and exchange_time <= 0:
        out.ignored["ticker_without_time"] += 1
    else:
        out.quotes.append(
            instrument,
            bid_price=bid,
            bid_size=_fixed(row.bid_qty, instrument.size_scale),
            ask_price=ask,
            ask_size=_fixed(row.ask_qty, instrument.size_scale),
            update_id=0,
            exchange_time=exchange_time,
            receive_time=receive_time,
        )


def _status_text(row: StatusRow) -> str:
    text = f"system {row.system}"
    for name in ("connection_id", "upcoming_maintenance", "emergency"):
        value = bytes(getattr(row, name)).decode("utf-8", "replace")
        if value not in ("", "[]", "null"):
            text += f", {name.replace('_', ' ')} {value[:200]}"
    return text


def _problem(error: Exception) -> Problem:
    detail = str(error)
    if isinstance(error, InexactDecimal):
        reason = RejectReason.BAD_NUMBER
    elif isinstance(error, UnreadableTime):
        reason = RejectReason.BAD_TIME
    elif isinstance(error, UnknownSymbol):
        reason = RejectReason.UNKNOWN_SYMBOL
    elif not isinstance(error, msgspec.ValidationError):
        reason = RejectReason.NOT_JSON
    elif "missing required field" in detail:
        reason = RejectReason.MISSING_FIELD
    elif detail.startswith("Expected `object`") and "$" not in detail:
        reason = RejectReason.NOT_AN_OBJECT
    else:
        reason = RejectReason.WRONG_TYPE
    return reason, detail
