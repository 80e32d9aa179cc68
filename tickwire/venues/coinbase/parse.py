"""Coinbase Exchange feed: JSON objects told apart by ``type``."""

from typing import Any

from tickwire.columns import Side, TradeFlag
from tickwire.records import Heartbeat
from tickwire.venues.coinbase.messages import (
    AGGRESSOR,
    DECODER,
    EXPECTED,
    NAMES,
    OPTIONAL,
    TYPES,
    Beat,
    Match,
    Ticker,
)
from tickwire.venues.coinbase.symbols import VENUE, instrument_of
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

MAX_STATUS_TEXT = 300


class Parser:
    """Reads frames of one connection; keeps nothing but the drift watch."""

    def __init__(self) -> None:
        self._drift = DriftWatch(EXPECTED, OPTIONAL)

    def read(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Add what one frame holds to ``out``.

        Raises
        ------
        UnreadableFrame
            If it cannot be read.
        """
        try:
            message = DECODER.decode(frame)
        except DECODE_FAILURES:
            self._read_unusual(read_object(frame), receive_time, out)
            return
        name = NAMES[type(message)]
        if self._drift.due(name) and (plain := plain_object(frame)):
            self._drift.observe(name, plain, out)
        _add(name, message, receive_time, out)

    def _read_unusual(self, message: dict[str, Any], receive_time: int, out: ParsedFrames) -> None:
        name = message.get("type")
        if not isinstance(name, str):
            reason = RejectReason.WRONG_TYPE if "type" in message else RejectReason.MISSING_FIELD
            raise UnreadableFrame(reason, f"type={shown(name)}: not a type's name in {shown(message)}")
        self._drift.observe(name, message, out)
        struct = TYPES.get(name)
        if struct is not None:
            _add(name, read_struct(message, struct, name), receive_time, out)
        elif name == "subscriptions":
            out.statuses.append(VenueStatus(_subscriptions(message.get("channels"))[:MAX_STATUS_TEXT]))
        elif name == "error":
            text = " - ".join(str(message[key]) for key in ("message", "reason") if message.get(key))
            out.statuses.append(VenueStatus(f"error: {text}"[:MAX_STATUS_TEXT]))
        else:
            out.ignored[name[:MAX_TYPE_NAME]] += 1


def _add(name: str, message: object, receive_time: int, out: ParsedFrames) -> None:
    match message:
        case Match():
            _add_trade(name, message, receive_time, out)
        case Ticker():
            _add_quote(message, receive_time, out)
        case Beat():
            _add_heartbeat(message, receive_time, out)
        case _:
            out.ignored[name] += 1


def _add_trade(name: str, trade: Match, receive_time: int, out: ParsedFrames) -> None:
    instrument = instrument_of(trade.product_id)
    out.trades.append(
        instrument,
        trade_id=trade.trade_id,
        price=read_fixed(trade.price, instrument.price_scale, "price"),
        size=read_fixed(trade.size, instrument.size_scale, "size"),
        side=AGGRESSOR.get(trade.side, Side.UNKNOWN),
        exchange_time=read_time(trade.time, "time"),
        receive_time=receive_time,
        flags=TradeFlag.SNAPSHOT if name == "last_match" else 0,
    )


def _add_quote(ticker: Ticker, receive_time: int, out: ParsedFrames) -> None:
    add_quote(
        ticker.product_id,
        (ticker.best_bid, ticker.best_bid_size),
        (ticker.best_ask, ticker.best_ask_size),
        exchange_time=receive_time if ticker.time is None else read_time(ticker.time, "time"),
        receive_time=receive_time,
        out=out,
    )


def add_quote(
    product_id: str,
    bid: tuple[str | None, str | None],
    ask: tuple[str | None, str | None],
    *,
    exchange_time: int,
    receive_time: int,
    out: ParsedFrames,
) -> None:
    """Add a quote of either Coinbase feed from its texts; ``bid`` and ``ask`` are (price, size).

    One without a bid or an ask, which Coinbase writes as an absent, empty or zero price, is
    counted as ``ticker without quote``. The update id is 0: Exchange's ``sequence`` has no
    counterpart on Advanced Trade, and both feeds write the same quotes, so the time orders them.

    Raises
    ------
    UnreadableFrame
        UNKNOWN_SYMBOL or BAD_NUMBER.
    """
    instrument = instrument_of(product_id)
    bid_price = read_fixed(bid[0] or "0", instrument.price_scale, "best_bid")
    ask_price = read_fixed(ask[0] or "0", instrument.price_scale, "best_ask")
    if bid_price <= 0 or ask_price <= 0:
        out.ignored["ticker without quote"] += 1
        return
    out.quotes.append(
        instrument,
        bid_price=bid_price,
        bid_size=read_fixed(bid[1] or "0", instrument.size_scale, "best_bid size"),
        ask_price=ask_price,
        ask_size=read_fixed(ask[1] or "0", instrument.size_scale, "best_ask size"),
        update_id=0,
        exchange_time=exchange_time,
        receive_time=receive_time,
    )


def _add_heartbeat(beat: Beat, receive_time: int, out: ParsedFrames) -> None:
    instrument = instrument_of(beat.product_id)
    if beat.last_trade_id == 0:
        # Coinbase once sent 0 for every product for days: taken at its word it hides each gap.
        out.ignored["heartbeat without last_trade_id"] += 1
        return
    exchange_time = read_time(beat.time, "time")
    out.heartbeats.append(Heartbeat(VENUE, instrument.symbol, beat.last_trade_id, exchange_time, receive_time))


def _subscriptions(channels: object) -> str:
    """Say what the venue acknowledged: ``subscribed: matches BTC-USD ETH-USD, heartbeat BTC-USD``."""
    parts = []
    for channel in channels if isinstance(channels, list) else ():
        products = channel.get("product_ids") if isinstance(channel, dict) else None
        if isinstance(products, list):
            parts.append(" ".join([str(channel.get("name")), *map(str, products)]))
    return "subscribed: " + (", ".join(parts) or "nothing")
