"""The example venue's frames: JSON objects told apart by ``type``.

Name here where the format is documented, and what was recorded of it.
"""

from typing import Any

import msgspec

from tickwire.columns import Side
from tickwire.venues.drift import DriftWatch, JsonTypes
from tickwire.venues.feed import ParsedFrames, RejectReason, VenueStatus
from tickwire.venues.frames import (
    DECODE_FAILURES,
    MAX_TYPE_NAME,
    Int64,
    UnreadableFrame,
    plain_object,
    read_epoch,
    read_fixed,
    read_object,
    read_struct,
    shown,
)
from tickwire.venues.template.symbols import instrument_of

MAX_STATUS_TEXT = 300


class Trade(msgspec.Struct, tag_field="type", tag="trade", gc=False):
    """Only the fields that are read: msgspec passes over the others at the cost of a scan."""

    market: str
    id: Int64
    price: str
    size: str
    taker: str
    time: Int64


class Top(msgspec.Struct, tag_field="type", tag="top", gc=False):
    """The best bid and offer; each side is (price, size)."""

    market: str
    bid: tuple[str, str]
    ask: tuple[str, str]
    time: Int64


_DECODER: msgspec.json.Decoder[Trade | Top] = msgspec.json.Decoder(Trade | Top)
_TYPES: dict[str, type[Trade | Top]] = {"trade": Trade, "top": Top}

# All fields that are known, read or not: another one, or another type, is counted as drift.
_EXPECTED: dict[str, dict[str, JsonTypes]] = {
    "trade": {"type": str, "market": str, "id": int, "price": str, "size": str, "taker": str, "time": int},
    "top": {"type": str, "market": str, "bid": list, "ask": list, "time": int},
}

# Taken from what the recording shows of prices, not from the documentation alone.
SIDES = {"buy": Side.BUY, "sell": Side.SELL}


class Parser:
    """Reads frames of one connection."""

    def __init__(self) -> None:
        self._drift = DriftWatch(_EXPECTED)

    def read(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Add what one frame holds to ``out``.

        Raises
        ------
        UnreadableFrame
            If it cannot be read.
        """
        try:
            message = _DECODER.decode(frame)
        except DECODE_FAILURES:
            # Rare, so it may cost more: other types, and errors that are to be named.
            self._read_unusual(read_object(frame), receive_time, out)
            return
        name = "trade" if isinstance(message, Trade) else "top"
        if self._drift.due(name):
            self._drift.observe(name, plain_object(frame), out)
        _add(message, receive_time, out)

    def _read_unusual(self, message: dict[str, Any], receive_time: int, out: ParsedFrames) -> None:
        name = message.get("type")
        if not isinstance(name, str):
            reason = RejectReason.WRONG_TYPE if "type" in message else RejectReason.MISSING_FIELD
            raise UnreadableFrame(reason, f"type={shown(name)}: not a type's name in {shown(message)}")
        self._drift.observe(name, message, out)
        struct = _TYPES.get(name)
        if struct is not None:
            _add(read_struct(message, struct, name), receive_time, out)
        elif name in ("notice", "error"):
            out.statuses.append(VenueStatus(f"{name}: {message.get('text')}"[:MAX_STATUS_TEXT]))
        else:
            out.ignored[name[:MAX_TYPE_NAME]] += 1


def _add(message: Trade | Top, receive_time: int, out: ParsedFrames) -> None:
    instrument = instrument_of(message.market)
    exchange_time = read_epoch(message.time, "time")
    if isinstance(message, Trade):
        out.trades.append(
            instrument,
            trade_id=message.id,
            price=read_fixed(message.price, instrument.price_scale, "price"),
            size=read_fixed(message.size, instrument.size_scale, "size"),
            # An unknown side is a row that breaks the rule ``side``, not an unreadable frame.
            side=SIDES.get(message.taker, Side.UNKNOWN),
            exchange_time=exchange_time,
            receive_time=receive_time,
        )
    else:
        out.quotes.append(
            instrument,
            bid_price=read_fixed(message.bid[0], instrument.price_scale, "bid"),
            bid_size=read_fixed(message.bid[1], instrument.size_scale, "bid"),
            ask_price=read_fixed(message.ask[0], instrument.price_scale, "ask"),
            ask_size=read_fixed(message.ask[1], instrument.size_scale, "ask"),
            update_id=0,
            exchange_time=exchange_time,
            receive_time=receive_time,
        )
