"""What a feed made of frames and what it should have made, as plain rows that can be compared."""

import datetime
from decimal import Decimal
from typing import Any

from tests.unit.venues.conformance_file import About, Frame, venue_file
from tickwire.columns import Side, TradeFlag
from tickwire.decimals import to_decimal
from tickwire.venues.discovery import TEMPLATE, declared, load
from tickwire.venues.feed import Feed, ParsedFrames
from tickwire.venues.fill import Fill
from tickwire.venues.history import History

FEEDS = declared("FEEDS") | declared("FEEDS", [TEMPLATE])
HISTORIES = declared("HISTORIES") | declared("HISTORIES", [TEMPLATE])

RECEIVED = 1_783_465_260_123_456_789
"""ns UTC: 2026-07-07T23:01:00.123456789Z."""

START = 1_783_465_200 * 10**9
"""ns UTC of id 0: 2026-07-07T23:00:00Z. Each further id is a millisecond later."""

Row = dict[str, Any]


def new_feed(name: str) -> Feed:
    """Give a fresh parser, the template's too."""
    feed: Feed = load(FEEDS[name])()
    return feed


def new_history(name: str) -> History:
    """Give a history, the template's too."""
    history: History = load(HISTORIES[name])()
    return history


def time_of(trade_id: int) -> int:
    """Give the time of a trade, ns UTC."""
    return START + trade_id * 1_000_000


def fill_of(feed: str, first: int, last: int) -> Fill:
    """Start to fill a range, told the time of the trade before it."""
    return new_history(feed).fill(venue_file(feed).about.symbol, first, last, after_time=time_of(first - 1))


def parse(feed: Feed, *frames: bytes) -> ParsedFrames:
    """Parse frames, all received at :data:`RECEIVED`."""
    out = ParsedFrames()
    for frame in frames:
        feed.parse(frame, RECEIVED, out)
    return out


def nanoseconds(text: str) -> int:
    """Read RFC 3339 in UTC by the standard library, apart from the code under test."""
    second, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.datetime.fromisoformat(second).replace(tzinfo=datetime.UTC)
    return int(moment.timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


def trade_rows(out: ParsedFrames) -> list[Row]:
    """Give the trades as plain values, prices and sizes as exact decimals."""
    batch, rows = out.trades.batch(), []
    for k in range(len(batch)):
        one = batch.instruments[batch.instrument[k]]
        rows.append(
            {
                "venue": one.venue,
                "symbol": one.symbol,
                "id": int(batch.trade_id[k]),
                "price": to_decimal(int(batch.price[k]), one.price_scale),
                "size": to_decimal(int(batch.size[k]), one.size_scale),
                "side": Side(int(batch.side[k])),
                "time": int(batch.exchange_time[k]),
                "received": int(batch.receive_time[k]),
                "flags": TradeFlag(int(batch.flags[k])),
            }
        )
    return rows


def quote_rows(out: ParsedFrames) -> list[Row]:
    """Give the quotes as plain values, prices and sizes as exact decimals."""
    batch, rows = out.quotes.batch(), []
    for k in range(len(batch)):
        one = batch.instruments[batch.instrument[k]]
        row = {"venue": one.venue, "symbol": one.symbol, "time": int(batch.exchange_time[k])}
        for side in ("bid", "ask"):
            row[side] = to_decimal(int(getattr(batch, f"{side}_price")[k]), one.price_scale)
            row[f"{side}_size"] = to_decimal(int(getattr(batch, f"{side}_size")[k]), one.size_scale)
        rows.append(row)
    return rows


def expected_trades(frame: Frame, about: About, venue: str) -> list[Row]:
    """Give the rows that a frame's line says; they are given by rising id."""
    return [
        {
            "venue": venue,
            "symbol": trade.symbol or about.symbol,
            "id": trade.id,
            "price": Decimal(trade.price),
            "size": Decimal(trade.size),
            "side": Side[trade.side.upper()],
            "time": nanoseconds(trade.time),
            "received": RECEIVED,
            "flags": TradeFlag.SNAPSHOT if trade.snapshot else TradeFlag(0),
        }
        for trade in frame.trades
    ]


def expected_quotes(frame: Frame, about: About, venue: str) -> list[Row]:
    """Give the quotes that a frame's line says."""
    return [
        {
            "venue": venue,
            "symbol": quote.symbol or about.symbol,
            "time": RECEIVED if quote.time is None else nanoseconds(quote.time),
            "bid": Decimal(quote.bid),
            "bid_size": Decimal(quote.bid_size),
            "ask": Decimal(quote.ask),
            "ask_size": Decimal(quote.ask_size),
        }
        for quote in frame.quotes
    ]
