"""Kraken v2: an envelope with a channel around a list of rows, and replies to what was sent.

Source: Kraken's Spot WebSocket v2 pages, and a capture of 2026.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from tickwire.columns import Side, TradeFlag
from tickwire.venues.drift import DriftWatch
from tickwire.venues.feed import ParsedFrames, RejectReason, VenueStatus
from tickwire.venues.frames import (
    DECODE_FAILURES,
    MAX_TYPE_NAME,
    UnreadableFrame,
    plain_object,
    read_fixed,
    read_object,
    read_struct,
    read_time,
    shown,
)
from tickwire.venues.kraken.book import Book
from tickwire.venues.kraken.messages import (
    ABSENT,
    EXPECTED,
    OPTIONAL,
    BookRow,
    Envelope,
    Message,
    StatusRow,
    SubscribeResult,
    TickerRow,
    TradeRow,
)
from tickwire.venues.kraken.subscribe import resubscribe_book_frames
from tickwire.venues.kraken.symbols import instrument_of

MAX_STATUS_TEXT = 300
RESUBSCRIBE_NS = 5_000_000_000
"""A book that goes on failing its checksum is asked for again no sooner than this."""
HALTED = frozenset({"maintenance", "cancel_only", "post_only"})
"""States in which nothing is matched; in ``limit_only`` limit orders still are. Source: Kraken's page on
the status channel."""

_SIDES = {"buy": Side.BUY, "sell": Side.SELL}

_decode_message = msgspec.json.Decoder(Message).decode
_decode_raw_rows = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_result = msgspec.json.Decoder(SubscribeResult).decode


class Parser:
    """Reads frames of one connection; keeps its books and the depths that were subscribed to."""

    def __init__(self) -> None:
        self._books: dict[str, Book] = {}
        self._depths: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._drift = DriftWatch(EXPECTED, OPTIONAL)
        self._channels: dict[str, _Channel] = {
            "trade": _Channel(TradeRow, _add_trade),
            "ticker": _Channel(TickerRow, _add_quote),
            "book": _Channel(BookRow, self._check_book),
            "status": _Channel(StatusRow, _add_status),
        }

    def reconnected(self) -> None:
        """Forget the books: a new connection sends new snapshots."""
        self._books.clear()
        self._depths.clear()
        self._asked.clear()

    def read(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Add what one frame holds to ``out``.

        Raises
        ------
        UnreadableFrame
            If it, or any of its rows, cannot be read; the readable rows have been added.
        """
        try:
            message = _decode_message(frame)
        except DECODE_FAILURES as error:
            # Says which field is wrong; what it lets pass is wrong in a part that is read raw.
            read_struct(read_object(frame), Envelope, "message")
            raise UnreadableFrame(RejectReason.NOT_JSON, f"{error}: {shown(frame)}") from error
        name = message.channel
        if name is None:
            self._read_reply(message, out)
            return
        channel = self._channels.get(name)
        if channel is None:
            out.ignored[name[:MAX_TYPE_NAME]] += 1
            return
        if message.data == ABSENT:
            raise UnreadableFrame(RejectReason.MISSING_FIELD, f"{name} has no field data")
        faults = channel.read(name, message, receive_time=receive_time, out=out)
        if self._drift.due(name) or faults:
            self._observe(name, frame, out)
        if faults:
            first = faults[0]
            raise UnreadableFrame(first.reason, f"{first.detail} ({len(faults)} unreadable rows)") from first

    def _check_book(self, row: BookRow, kind: str | None, receive_time: int, out: ParsedFrames) -> None:
        # Taken out while it changes, so that a book that fails in the middle is forgotten.
        book = self._books.pop(row.symbol, None)
        if kind == "snapshot":
            scale = instrument_of(row.symbol).price_scale
            book = Book(row.bids, row.asks, price_scale=scale, depth=self._depths.get(row.symbol))
        elif book is None:
            out.ignored["book without snapshot"] += 1
            if row.symbol in self._asked:
                self._ask_again(row.symbol, receive_time, out)
            return
        else:
            self._apply(book, row, receive_time, out)
        checksum = book.checksum()
        if checksum == row.checksum:
            self._books[row.symbol] = book
            out.ignored["book"] += 1
            return
        out.checksum_failures += 1
        out.statuses.append(VenueStatus(f"book {row.symbol[:MAX_TYPE_NAME]} failed its checksum and is fetched anew"))
        self._ask_again(row.symbol, receive_time, out)
        raise UnreadableFrame(
            RejectReason.CHECKSUM, f"book of {shown(row.symbol)} is {checksum}, Kraken says {row.checksum}"
        )

    def _apply(self, book: Book, row: BookRow, receive_time: int, out: ParsedFrames) -> None:
        try:
            book.apply(row.bids, row.asks)
        except UnreadableFrame:
            self._ask_again(row.symbol, receive_time, out)
            raise

    def _ask_again(self, symbol: str, receive_time: int, out: ParsedFrames) -> None:
        """Ask for a new snapshot of a book, unless one was just asked for."""
        if receive_time - self._asked.get(symbol, -RESUBSCRIBE_NS) >= RESUBSCRIBE_NS:
            self._asked[symbol] = receive_time
            out.replies += resubscribe_book_frames(symbol)

    def _read_reply(self, message: Message, out: ParsedFrames) -> None:
        if message.error is not None or message.success is False:
            asked = " ".join(word for word in (message.method, message.symbol) if word) or "request"
            out.statuses.append(VenueStatus(f"error: {asked}: {message.error}"[:MAX_STATUS_TEXT]))
        elif message.method is None:
            raise UnreadableFrame(RejectReason.MISSING_FIELD, "neither channel nor method")
        else:
            out.ignored[message.method[:MAX_TYPE_NAME]] += 1
            if message.method == "subscribe" and message.result != ABSENT:
                self._read_subscription(message.result, out)

    def _read_subscription(self, raw: msgspec.Raw, out: ParsedFrames) -> None:
        try:
            result = _decode_result(raw)
        except DECODE_FAILURES as error:
            raise UnreadableFrame(RejectReason.WRONG_TYPE, f"result={shown(bytes(raw))}: {error}") from error
        if result.channel == "book" and result.depth is not None:
            self._depths[result.symbol] = result.depth
        out.statuses.extend(VenueStatus(f"warning: {warning}"[:MAX_STATUS_TEXT]) for warning in result.warnings)

    def _observe(self, name: str, frame: bytes, out: ParsedFrames) -> None:
        rows = plain_object(frame).get("data")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict):
                self._drift.observe(name, row, out)


class _Channel:
    """Decodes the rows of one channel's messages and hands each to ``add``."""

    def __init__(self, row_type: Any, add: Callable[[Any, str | None, int, ParsedFrames], None]) -> None:
        self._decode_rows = msgspec.json.Decoder(list[row_type]).decode
        self._decode_row = msgspec.json.Decoder(row_type).decode
        self._add = add

    def read(self, name: str, message: Message, *, receive_time: int, out: ParsedFrames) -> list[UnreadableFrame]:
        """Add the readable rows, and give the faults of the others."""
        faults: list[UnreadableFrame] = []
        try:
            rows = self._decode_rows(message.data)
        except DECODE_FAILURES:
            rows = self._read_one_by_one(name, message.data, faults)
        if name == "trade" and message.type == "snapshot":
            rows.sort(key=_trade_id)
        for row in rows:
            try:
                self._add(row, message.type, receive_time, out)
            except UnreadableFrame as fault:
                faults.append(fault)
        return faults

    def _read_one_by_one(self, name: str, data: msgspec.Raw, faults: list[UnreadableFrame]) -> list[Any]:
        rows: list[Any] = []
        try:
            raw_rows = _decode_raw_rows(data)
        except DECODE_FAILURES as error:
            faults.append(_fault(f"{name}.data", bytes(data), error))
            return rows
        for raw in raw_rows:
            try:
                rows.append(self._decode_row(raw))
            except DECODE_FAILURES as error:
                faults.append(_fault(name, bytes(raw), error))
        return rows


def _fault(name: str, raw: bytes, error: Exception) -> UnreadableFrame:
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        reason = RejectReason.NOT_JSON
    elif text.startswith("Object missing required field"):
        reason = RejectReason.MISSING_FIELD
    elif text.startswith(("Expected `int` <=", "Expected `int` >=")) or "out of range" in text:
        reason = RejectReason.BAD_NUMBER
    else:
        reason = RejectReason.WRONG_TYPE
    return UnreadableFrame(reason, f"{name}: {text} in {shown(raw)}")


def _trade_id(row: TradeRow) -> int:
    return row.trade_id


def _fixed(raw: msgspec.Raw, scale: int, field: str) -> int:
    # Latin-1 reads any byte, so that a damaged number is refused as a number.
    return read_fixed(bytes(raw).decode("latin-1"), scale, field)


def _add_trade(row: TradeRow, kind: str | None, receive_time: int, out: ParsedFrames) -> None:
    instrument = instrument_of(row.symbol)
    out.trades.append(
        instrument,
        trade_id=row.trade_id,
        price=_fixed(row.price, instrument.price_scale, "price"),
        size=_fixed(row.qty, instrument.size_scale, "qty"),
        side=_SIDES.get(row.side, Side.UNKNOWN),
        exchange_time=read_time(row.timestamp, "timestamp"),
        receive_time=receive_time,
        flags=TradeFlag.SNAPSHOT if kind == "snapshot" else 0,
    )


def _add_quote(row: TickerRow, kind: str | None, receive_time: int, out: ParsedFrames) -> None:
    instrument = instrument_of(row.symbol)
    bid_price = _fixed(row.bid, instrument.price_scale, "bid")
    ask_price = _fixed(row.ask, instrument.price_scale, "ask")
    bid_size = _fixed(row.bid_qty, instrument.size_scale, "bid_qty")
    ask_size = _fixed(row.ask_qty, instrument.size_scale, "ask_qty")
    exchange_time = receive_time if row.timestamp is None else read_time(row.timestamp, "timestamp")
    # A pair that nobody quotes comes as bid 0, ask 0, 1970-01-01.
    if bid_price <= 0 or ask_price <= 0:
        out.ignored["ticker without quote"] += 1
    elif row.timestamp is not None and exchange_time <= 0:
        out.ignored["ticker without time"] += 1
    else:
        out.quotes.append(
            instrument,
            bid_price=bid_price,
            bid_size=bid_size,
            ask_price=ask_price,
            ask_size=ask_size,
            update_id=0,
            exchange_time=exchange_time,
            receive_time=receive_time,
        )


def _add_status(row: StatusRow, kind: str | None, receive_time: int, out: ParsedFrames) -> None:
    text = f"system {row.system}"
    for name in ("connection_id", "upcoming_maintenance", "emergency"):
        value = bytes(getattr(row, name)).decode("utf-8", "replace")
        if value not in ("", "[]", "null"):
            text += f", {name.replace('_', ' ')} {value}"
    out.statuses.append(VenueStatus(text[:MAX_STATUS_TEXT], halted=row.system in HALTED))
