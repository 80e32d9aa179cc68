"""OKX's frames: pushes (``arg`` and ``data``), events (``event``), and the text ``pong``.

Source: OKX's API guide, "WS / All trades channel", "Subscribe" and "Notification".
"""

from typing import Any

import msgspec

from tickwire.columns import Side
from tickwire.venues.drift import DriftWatch, JsonTypes
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
from tickwire.venues.okx.subscribe import CHANNEL
from tickwire.venues.okx.symbols import instrument_of

MAX_STATUS_TEXT = 300
PONG = b"pong"
SERVICE_UPGRADE = "64008"
"""Code of the notice that the connection will be closed within 60 s."""

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
"""The taker's, by OKX's page; the REST history says so in these words."""


class TradeRow(msgspec.Struct, gc=False):
    """One trade, the same in pushes and in the REST history; ids and times are text."""

    instId: str  # noqa: N815 - the wire's name
    tradeId: str  # noqa: N815
    px: str
    sz: str
    side: str
    ts: str


class _Arg(msgspec.Struct, gc=False):
    channel: str


class _Push(msgspec.Struct, gc=False):
    arg: _Arg
    data: list[TradeRow]


_decode_push = msgspec.json.Decoder(_Push).decode

_EXPECTED: dict[str, dict[str, JsonTypes]] = {
    "push": {"arg": dict, "data": list},
    "trade": dict.fromkeys(("instId", "tradeId", "px", "sz", "side", "ts", "source"), str),
}
# ``source`` came on 2025-09-04.
_OPTIONAL = {"trade": frozenset({"source"})}


class Parser:
    """Reads frames of one connection; keeps nothing but the drift watch."""

    def __init__(self) -> None:
        self._drift = DriftWatch(_EXPECTED, _OPTIONAL)

    def read(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Add what one frame holds to ``out``.

        Raises
        ------
        UnreadableFrame
            If it, or any of its rows, cannot be read; the readable rows have been added.
        """
        if frame == PONG:
            out.ignored["pong"] += 1
            return
        try:
            push = _decode_push(frame)
        except DECODE_FAILURES:
            self._read_unusual(read_object(frame), receive_time, out)
            return
        if push.arg.channel != CHANNEL:
            # An aggregate of the channel `trades` looks like a trade and is none.
            out.ignored[push.arg.channel[:MAX_TYPE_NAME]] += 1
            return
        if self._drift.due("push") and (plain := plain_object(frame)):
            self._observe(plain, out)
        _add(push.data, [], receive_time=receive_time, out=out)

    def _read_unusual(self, message: dict[str, Any], receive_time: int, out: ParsedFrames) -> None:
        if "event" in message:
            _add_event(message, out)
            return
        channel = read_struct(message.get("arg"), _Arg, "arg").channel if "arg" in message else None
        if channel is None:
            raise UnreadableFrame(RejectReason.MISSING_FIELD, f"neither event nor arg: {shown(message)}")
        if channel != CHANNEL:
            out.ignored[channel[:MAX_TYPE_NAME]] += 1
            return
        self._observe(message, out)
        items = message.get("data")
        if not isinstance(items, list):
            reason = RejectReason.WRONG_TYPE if "data" in message else RejectReason.MISSING_FIELD
            raise UnreadableFrame(reason, f"data={shown(items)}: not an array")
        rows, faults = [], []
        for item in items:
            try:
                rows.append(read_struct(item, TradeRow, "trade"))
            except UnreadableFrame as fault:
                faults.append(fault)
        _add(rows, faults, receive_time=receive_time, out=out)

    def _observe(self, message: dict[str, Any], out: ParsedFrames) -> None:
        self._drift.observe("push", message, out)
        rows = message.get("data")
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict):
                self._drift.observe("trade", row, out)


def read_digits(text: str, field: str) -> int:
    """Turn an id or a time, which OKX writes as text, into an integer that fits a column.

    Raises
    ------
    UnreadableFrame
        BAD_NUMBER, naming the field.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) < 2**63):
        raise UnreadableFrame(RejectReason.BAD_NUMBER, f"{field}={shown(text)}: not a whole number")
    return int(text)


def _add(rows: list[TradeRow], faults: list[UnreadableFrame], *, receive_time: int, out: ParsedFrames) -> None:
    """Add the rows, each of which stops only itself, and raise the first fault."""
    if not rows and not faults:
        out.ignored["push without trades"] += 1
    for row in rows:
        try:
            instrument = instrument_of(row.instId)
            out.trades.append(
                instrument,
                trade_id=read_digits(row.tradeId, "tradeId"),
                price=read_fixed(row.px, instrument.price_scale, "px"),
                size=read_fixed(row.sz, instrument.size_scale, "sz"),
                side=SIDES.get(row.side, Side.UNKNOWN),
                exchange_time=read_epoch(read_digits(row.ts, "ts"), "ts"),
                receive_time=receive_time,
            )
        except UnreadableFrame as fault:
            faults.append(fault)
    if faults:
        first = faults[0]
        raise UnreadableFrame(first.reason, f"{first.detail} ({len(faults)} unreadable rows)") from first


def _add_event(message: dict[str, Any], out: ParsedFrames) -> None:
    event = message["event"]
    if not isinstance(event, str):
        raise UnreadableFrame(RejectReason.WRONG_TYPE, f"event={shown(event)}: not an event's name")
    if event in ("error", "notice"):
        code = message.get("code")
        text = f"{event} {str(code)[:MAX_TYPE_NAME]}: {message.get('msg')}"
        out.statuses.append(
            VenueStatus(text[:MAX_STATUS_TEXT], reconnect=event == "notice" and code == SERVICE_UPGRADE)
        )
    else:
        out.ignored[event[:MAX_TYPE_NAME]] += 1
