"""Coinbase Advanced Trade: an envelope with a channel and a sequence number around lists of rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tickwire.columns import Side, TradeFlag
from tickwire.venues.coinbase.messages import AGGRESSOR
from tickwire.venues.coinbase.parse import MAX_STATUS_TEXT, add_quote
from tickwire.venues.coinbase_advanced.messages import (
    DECODER,
    EXPECTED,
    NAMES,
    OPTIONAL,
    ROWS,
    MarketTrades,
    TickerRow,
    Tickers,
    TradeRow,
)
from tickwire.venues.coinbase_advanced.symbols import instrument_of
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


class Parser:
    """Reads frames of one connection; keeps its sequence number."""

    def __init__(self) -> None:
        self._drift = DriftWatch(EXPECTED, OPTIONAL)
        self._last_sequence: int | None = None

    def reconnected(self) -> None:
        """Forget the sequence number: it starts at 0 on each connection."""
        self._last_sequence = None

    def read(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Add what one frame holds to ``out``.

        Raises
        ------
        UnreadableFrame
            If it, or any of its rows, cannot be read; the readable rows have been added.
        """
        try:
            message = DECODER.decode(frame)
        except DECODE_FAILURES:
            self._read_unusual(read_object(frame), receive_time, out)
            return
        name = NAMES[type(message)]
        if self._drift.due(name) and (plain := plain_object(frame)):
            self._observe(name, plain, out, every_row=False)
        self._follow(message.sequence_num, out)
        rows = _Rows(receive_time, out)
        match message:
            case MarketTrades():
                for event in message.events:
                    rows.add_trades(event.trades, snapshot=event.type == "snapshot")
            case Tickers():
                time = read_time(message.timestamp, "timestamp")
                for tickers in message.events:
                    rows.add_quotes(tickers.tickers, time)
            case _:
                out.ignored[name] += 1
        rows.raise_first_fault()

    def _read_unusual(self, message: dict[str, Any], receive_time: int, out: ParsedFrames) -> None:
        name = message.get("channel")
        if name is None and message.get("type") == "error":
            out.statuses.append(VenueStatus(f"error: {message.get('message')}"[:MAX_STATUS_TEXT]))
            return
        if not isinstance(name, str):
            reason = RejectReason.WRONG_TYPE if "channel" in message else RejectReason.MISSING_FIELD
            raise UnreadableFrame(reason, f"channel={shown(name)}: not a channel's name in {shown(message)}")
        self._observe(name, message, out, every_row=True)
        sequence = message.get("sequence_num")
        if type(sequence) is int and sequence < 2**63:
            self._follow(sequence, out)
        rows = _Rows(receive_time, out)
        if name == "market_trades":
            for event, items in _events(name, message):
                trades = [row for item in items if (row := rows.read(item, TradeRow, "trade")) is not None]
                rows.add_trades(trades, snapshot=event.get("type") == "snapshot")
        elif name == "ticker":
            time = read_time(_text(message, "timestamp"), "timestamp")
            for _, items in _events(name, message):
                tickers = [row for item in items if (row := rows.read(item, TickerRow, "ticker")) is not None]
                rows.add_quotes(tickers, time)
        elif name == "subscriptions":
            out.statuses.append(VenueStatus(_subscriptions(message.get("events"))[:MAX_STATUS_TEXT]))
        else:
            out.ignored[name[:MAX_TYPE_NAME]] += 1
        rows.raise_first_fault()

    def follow(self, sequences: npt.NDArray[np.int64], out: ParsedFrames) -> None:
        """Check the numbers, int64 (n,), of frames that were read without this parser, in order of arrival."""
        if len(sequences) > 1 and bool((np.diff(sequences) == 1).all()):
            self._follow(int(sequences[0]), out)
            if self._last_sequence == sequences[0]:
                self._last_sequence = int(sequences[-1])
                return
            sequences = sequences[1:]
        for sequence in sequences.tolist():
            self._follow(sequence, out)

    def _follow(self, sequence: int, out: ParsedFrames) -> None:
        """Tell people of messages that never came.

        The number runs over all channels and products, so it does not say whose message is
        missing: the trade ids do. 0 starts a connection, whether or not anyone said so.
        """
        last = self._last_sequence
        if last is not None and sequence > last + 1:
            out.statuses.append(VenueStatus(f"sequence jump: {sequence - last - 1} messages missed"))
        if last is None or sequence > last or sequence == 0:
            self._last_sequence = sequence

    def _observe(self, name: str, message: dict[str, Any], out: ParsedFrames, *, every_row: bool) -> None:
        self._drift.observe(name, message, out)
        events = message.get("events")
        for event in events if isinstance(events, list) else ():
            if not isinstance(event, dict):
                continue
            self._drift.observe(f"{name}.event", event, out)
            rows = event.get(ROWS.get(name, ""))
            for row in (rows if every_row else rows[:1]) if isinstance(rows, list) else ():
                if isinstance(row, dict):
                    self._drift.observe(f"{name}.{ROWS[name].removesuffix('s')}", row, out)


class _Rows:
    """Adds the rows of one frame; a row that cannot be read stops only itself."""

    def __init__(self, receive_time: int, out: ParsedFrames) -> None:
        self._receive_time = receive_time
        self._out = out
        self._faults: list[UnreadableFrame] = []

    def read(self, item: object, struct: type[Any], name: str) -> Any:
        try:
            return read_struct(item, struct, name)
        except UnreadableFrame as fault:
            self._faults.append(fault)
            return None

    def add_trades(self, trades: Sequence[TradeRow], *, snapshot: bool) -> None:
        """Add trades in the order of their ids, which is oldest first."""
        numbered = []
        for trade in trades:
            try:
                numbered.append((_trade_id(trade.trade_id), trade))
            except UnreadableFrame as fault:
                self._faults.append(fault)
        numbered.sort(key=lambda pair: pair[0])
        flags = TradeFlag.SNAPSHOT if snapshot else 0
        for trade_id, trade in numbered:
            try:
                instrument = instrument_of(trade.product_id)
                self._out.trades.append(
                    instrument,
                    trade_id=trade_id,
                    price=read_fixed(trade.price, instrument.price_scale, "price"),
                    size=read_fixed(trade.size, instrument.size_scale, "size"),
                    side=AGGRESSOR.get(trade.side, Side.UNKNOWN),
                    exchange_time=read_time(trade.time, "time"),
                    receive_time=self._receive_time,
                    flags=flags,
                )
            except UnreadableFrame as fault:
                self._faults.append(fault)

    def add_quotes(self, tickers: Sequence[TickerRow], exchange_time: int) -> None:
        for ticker in tickers:
            try:
                add_quote(
                    ticker.product_id,
                    (ticker.best_bid, ticker.best_bid_quantity),
                    (ticker.best_ask, ticker.best_ask_quantity),
                    exchange_time=exchange_time,
                    receive_time=self._receive_time,
                    out=self._out,
                )
            except UnreadableFrame as fault:
                self._faults.append(fault)

    def raise_first_fault(self) -> None:
        """Make the frame a reject by its first unreadable row, if it has any."""
        if self._faults:
            first = self._faults[0]
            raise UnreadableFrame(first.reason, f"{first.detail} ({len(self._faults)} unreadable rows)") from first


def _trade_id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) < 2**63):
        raise UnreadableFrame(RejectReason.BAD_NUMBER, f"trade_id={shown(text)}: not a trade id")
    return int(text)


def _events(name: str, message: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[object]]]:
    """Give each event of an untyped message with its list of rows."""
    events = message.get("events")
    if not isinstance(events, list):
        raise _unlike_list(message, "events")
    for event in events:
        if not isinstance(event, dict):
            raise UnreadableFrame(RejectReason.WRONG_TYPE, f"events[]={shown(event)}: not an object")
        rows = event.get(ROWS[name])
        if not isinstance(rows, list):
            raise _unlike_list(event, ROWS[name])
        yield event, rows


def _unlike_list(message: dict[str, Any], field: str) -> UnreadableFrame:
    if field not in message:
        return UnreadableFrame(RejectReason.MISSING_FIELD, f"no field {field}")
    return UnreadableFrame(RejectReason.WRONG_TYPE, f"{field}={shown(message[field])}: not an array")


def _text(message: dict[str, Any], field: str) -> str:
    value = message.get(field)
    if not isinstance(value, str):
        reason = RejectReason.WRONG_TYPE if field in message else RejectReason.MISSING_FIELD
        raise UnreadableFrame(reason, f"{field}={shown(value)}: not a text")
    return value


def _subscriptions(events: object) -> str:
    """Say what the venue acknowledged: ``subscribed: market_trades BTC-USD, ticker BTC-USD``."""
    parts = []
    for event in events if isinstance(events, list) else ():
        channels = event.get("subscriptions") if isinstance(event, dict) else None
        for channel, products in channels.items() if isinstance(channels, dict) else ():
            parts.append(" ".join([channel, *map(str, products)]) if isinstance(products, list) else channel)
    return "subscribed: " + (", ".join(parts) or "nothing")
