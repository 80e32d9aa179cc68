"""Binance Spot JSON streams, raw (``{"e":"trade",…}``) and combined (``{"stream":…,"data":{…}}``)."""

from typing import Any

from tickwire.columns import Side
from tickwire.venues.binance.messages import (
    BOOK_TICKER,
    BOOK_TICKER_KEYS,
    COMBINED_BOOK_TICKER,
    COMBINED_EVENT,
    EVENT,
    EXPECTED,
    NAMES,
    OPTIONAL,
    TYPES,
    AggregateTrade,
    BookTicker,
    Event,
    Trade,
)
from tickwire.venues.binance.symbols import SymbolTable
from tickwire.venues.drift import DriftWatch
from tickwire.venues.feed import ParsedFrames, RejectReason, VenueStatus
from tickwire.venues.frames import (
    DECODE_FAILURES,
    MAX_TYPE_NAME,
    UnreadableFrame,
    plain_object,
    read_epoch,
    read_fixed,
    read_object,
    read_struct,
    shown,
)


class Parser:
    """Reads frames of one connection. ``aggregates`` says where aggTrade rows go; None counts them."""

    def __init__(self, symbols: SymbolTable, *, aggregates: SymbolTable | None = None) -> None:
        self._symbols = symbols
        self._aggregates = aggregates
        self._drift = DriftWatch(EXPECTED, OPTIONAL)

    def read(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Add what one frame holds to ``out``.

        The layout that Binance sends is told by the first bytes and decoded straight to its type.
        Whatever that decode refuses is read again as plain JSON and judged by its fields alone, so
        the order of keys and white space change nothing but the speed.

        Raises
        ------
        UnreadableFrame
            If it cannot be read.
        """
        try:
            message = _decode(frame)
        except DECODE_FAILURES:
            self._read_unusual(frame, receive_time, out)
            return
        name = NAMES[type(message)]
        if self._drift.due(name) and (plain := plain_object(frame)):
            self._drift.observe(name, plain.get("data", plain), out)
        self._add(name, message, receive_time, out)

    def _read_unusual(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        stream, payload = _payload(read_object(frame))
        name = _type_of(stream, payload)
        struct = TYPES.get(name)
        if struct is not None:
            self._drift.observe(name, payload, out)
            self._add(name, read_struct(payload, struct, name), receive_time, out)
        elif name == "serverShutdown":
            out.statuses.append(VenueStatus("server shutdown", reconnect=True))
        elif name == "error":
            error = payload["error"] if isinstance(payload.get("error"), dict) else payload
            out.statuses.append(VenueStatus(f"error {shown(error.get('code'))}: {str(error.get('msg'))[:200]}"))
        else:
            out.ignored[name[:MAX_TYPE_NAME]] += 1

    def _add(self, name: str, message: object, receive_time: int, out: ParsedFrames) -> None:
        match message:
            case Trade():
                _add_trade(message, self._symbols, message.trade_id, receive_time=receive_time, out=out)
            case BookTicker():
                _add_quote(message, self._symbols, receive_time, out)
            case AggregateTrade() if self._aggregates is not None:
                _add_trade(message, self._aggregates, message.aggregate_id, receive_time=receive_time, out=out)
            case _:
                out.ignored[name] += 1


def _decode(frame: bytes) -> Event | BookTicker:
    head = frame[:64]
    if head.startswith(b'{"stream":'):
        if b'@bookTicker"' in head:
            return COMBINED_BOOK_TICKER.decode(frame).data
        return COMBINED_EVENT.decode(frame).data
    if head.startswith(b'{"u":'):
        return BOOK_TICKER.decode(frame)
    return EVENT.decode(frame)


def _payload(message: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """Take a combined message apart: (stream, payload); stream is None for a raw one."""
    if "stream" not in message and "data" not in message:
        return None, message
    stream, payload = message.get("stream"), message.get("data")
    if not isinstance(stream, str):
        reason = RejectReason.WRONG_TYPE if "stream" in message else RejectReason.MISSING_FIELD
        raise UnreadableFrame(reason, f"stream={shown(stream)}: not a stream's name")
    if "data" not in message:
        raise UnreadableFrame(RejectReason.MISSING_FIELD, f"{shown(stream)} has no field data")
    if isinstance(payload, list):
        # The streams of all symbols (`!ticker@arr`): of no use here, but not broken.
        return stream, {"e": stream.rpartition("!")[2]}
    if not isinstance(payload, dict):
        raise UnreadableFrame(RejectReason.WRONG_TYPE, f"data={shown(payload)}: not an object")
    return stream, payload


def _type_of(stream: str | None, payload: dict[str, Any]) -> str:
    """Name the type of a payload; those without ``e`` are known by their stream or their fields."""
    if "e" in payload:
        name = payload["e"]
        if not isinstance(name, str):
            raise UnreadableFrame(RejectReason.WRONG_TYPE, f"e={shown(name)}: not a type's name")
        return name
    if stream is not None:
        return stream.partition("@")[2].partition("@")[0] or stream.lstrip("!")
    if "result" in payload:
        return "ack"
    if "error" in payload or "code" in payload:
        return "error"
    if "lastUpdateId" in payload:
        return "depth snapshot"
    if payload.keys() & BOOK_TICKER_KEYS > {"u", "s"}:
        return "bookTicker"
    raise UnreadableFrame(RejectReason.MISSING_FIELD, f"no field e: {shown(payload)}")


def _add_trade(
    trade: Trade | AggregateTrade, symbols: SymbolTable, trade_id: int, *, receive_time: int, out: ParsedFrames
) -> None:
    instrument = symbols[trade.symbol]
    out.trades.append(
        instrument,
        trade_id=trade_id,
        price=read_fixed(trade.price, instrument.price_scale, "p"),
        size=read_fixed(trade.size, instrument.size_scale, "q"),
        side=Side.SELL if trade.buyer_is_maker else Side.BUY,
        exchange_time=read_epoch(trade.time, "T"),
        receive_time=receive_time,
    )


def _add_quote(quote: BookTicker, symbols: SymbolTable, receive_time: int, out: ParsedFrames) -> None:
    instrument = symbols[quote.symbol]
    bid_price = read_fixed(quote.bid_price, instrument.price_scale, "b")
    ask_price = read_fixed(quote.ask_price, instrument.price_scale, "a")
    bid_size = read_fixed(quote.bid_size, instrument.size_scale, "B")
    ask_size = read_fixed(quote.ask_size, instrument.size_scale, "A")
    if bid_price <= 0 or ask_price <= 0:
        out.ignored["bookTicker without quote"] += 1
        return
    out.quotes.append(
        instrument,
        bid_price=bid_price,
        bid_size=bid_size,
        ask_price=ask_price,
        ask_size=ask_size,
        update_id=quote.update_id,
        exchange_time=receive_time,
        receive_time=receive_time,
    )
