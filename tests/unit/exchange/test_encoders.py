"""What the exchange writes is what Tickwire's feeds read: every trade and quote, digit for digit."""

import json
import zlib

import pytest

from local.exchange.arrivals import SECOND
from local.exchange.catalogue import FEED_VENUES
from local.exchange.events import Event, Execution, QuoteChange
from local.exchange.simulator import Simulator
from local.exchange.venues.protocol import Desk, FeedProtocol, Outgoing, Session
from local.exchange.venues.registry import new_protocol
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.registry import new_feed

RECEIVED = 1_767_225_700 * SECOND

SUBSCRIPTIONS = {
    "binance": [],
    "binance-us": [],
    "coinbase": [{"type": "subscribe", "product_ids": ["BTC-USD", "LTC-USD"], "channels": ["matches", "ticker"]}],
    "coinbase-advanced": [
        {"type": "subscribe", "product_ids": ["BTC-USD", "LTC-USD"], "channel": channel}
        for channel in ("market_trades", "ticker")
    ],
    "kraken": [
        {"method": "subscribe", "params": {"channel": channel, "symbol": ["BTC/USD", "MINA/GBP"], **more}}
        for channel, more in (
            ("trade", {"snapshot": True}),
            ("ticker", {"event_trigger": "bbo"}),
            ("book", {"depth": 10}),
        )
    ],
}
SYMBOLS = {
    "binance": ["BTC-USDT", "DOGE-USDT", "ATOM-EUR"],
    "binance-us": ["BTC-USDT", "ETH-USDT"],
    "coinbase": ["BTC-USD", "LTC-USD"],
    "coinbase-advanced": ["BTC-USD", "LTC-USD"],
    "kraken": ["BTC-USD", "MINA-GBP"],
}
BINANCE_QUERY = {
    feed: "/".join(
        f"{symbol.replace('-', '').lower()}@{channel}"
        for symbol in SYMBOLS[feed]
        for channel in ("trade", "bookTicker")
    )
    for feed in ("binance", "binance-us")
}


def open_session(protocol: FeedProtocol, **query: str) -> tuple[Session, list[Outgoing]]:
    feed = protocol.feed
    if feed in BINANCE_QUERY:
        return protocol.open("/stream", {"streams": BINANCE_QUERY[feed], **query}), []
    session = protocol.open("/v2" if feed == "kraken" else "/", {})
    return session, [
        answer for message in SUBSCRIPTIONS[feed] for answer in session.receive(json.dumps(message), RECEIVED)
    ]


def play(feed: str, **query: str) -> tuple[list[bytes], list[Outgoing], list[Event], Simulator]:
    """Run 20 s of market after a subscription; give the frames, and the events of the feed's venue."""
    simulator = Simulator(9, rate=400)
    simulator.step(simulator.time + 5 * SECOND)
    venue = FEED_VENUES[feed]
    markets = {m.spec.symbol: m for m in simulator.markets.values() if m.spec.venue == venue}
    protocol = new_protocol(feed, Desk(markets))
    session, sent = open_session(protocol, **query)
    frames = [session.render(outgoing) for outgoing in sent]
    simulator.burst(f"{venue}:{SYMBOLS[feed][0]}", trades=100, duration=SECOND)
    events = [event for event in simulator.step(simulator.time + 20 * SECOND) if event.market.venue == venue]
    for event in events:
        for outgoing in protocol.encode(event, session.topics):
            if not session.topics.isdisjoint(outgoing.topics):
                sent.append(outgoing)
                frames.append(session.render(outgoing))
    return frames, sent, events, simulator


def parse(feed: str, frames: list[bytes]) -> ParsedFrames:
    parser, out = new_feed(feed), ParsedFrames()
    for frame in frames:
        parser.parse(frame, RECEIVED, out)
    assert out.rejects == []
    assert out.checksum_failures == 0
    assert not out.drift
    return out


@pytest.mark.parametrize("feed", list(FEED_VENUES))
def test_every_trade_is_parsed_as_it_happened(feed: str) -> None:
    frames, _, events, _ = play(feed)
    precision = 1_000_000 if feed.startswith("binance") else 1_000

    trades = parse(feed, frames).trades.batch()
    parsed = {
        (trades.instruments[trades.instrument[row]].symbol, int(trades.trade_id[row])): (
            int(trades.price[row]),
            int(trades.size[row]),
            int(trades.side[row]),
            int(trades.exchange_time[row]),
        )
        for row in range(len(trades))
    }

    happened = {
        (event.market.symbol, fill.trade_id): (
            fill.price * 10 ** (8 - event.market.price_places),
            fill.size,
            int(event.side),
            event.time // precision * precision,
        )
        for event in events
        if isinstance(event, Execution) and event.market.symbol in SYMBOLS[feed]
        for fill in event.fills
    }
    assert len(happened) >= 100
    assert happened.items() <= parsed.items()


@pytest.mark.parametrize("feed", list(FEED_VENUES))
def test_announced_ids_are_exactly_the_parsed_ones(feed: str) -> None:
    frames, sent, _, _ = play(feed)

    trades = parse(feed, frames).trades.batch()

    parsed = {
        (trades.instruments[trades.instrument[row]].symbol, int(trades.trade_id[row])) for row in range(len(trades))
    }
    announced = {
        (symbol, trade_id)
        for outgoing in sent
        for symbol, first, last in outgoing.trades
        for trade_id in range(first, last + 1)
    }
    assert announced == parsed


@pytest.mark.parametrize("feed", list(FEED_VENUES))
def test_the_last_quote_is_parsed_as_the_market_has_it(feed: str) -> None:
    frames, _, events, _ = play(feed)
    symbol = SYMBOLS[feed][0]
    # Coinbase Exchange sends a ticker only after a trade.
    last = [
        event
        for event in events
        if isinstance(event, QuoteChange) and event.market.symbol == symbol and (feed != "coinbase" or event.cause)
    ][-1]

    quotes = parse(feed, frames).quotes.batch()
    mine = [row for row in range(len(quotes)) if quotes.instruments[quotes.instrument[row]].symbol == symbol]

    scale = 10 ** (8 - last.market.price_places)
    row = mine[-1]
    assert (int(quotes.bid_price[row]), int(quotes.bid_size[row])) == (last.bid * scale, last.bid_size)
    assert (int(quotes.ask_price[row]), int(quotes.ask_size[row])) == (last.ask * scale, last.ask_size)


def test_binance_writes_microseconds_when_asked() -> None:
    frames, _, events, _ = play("binance", timeUnit="MICROSECOND")

    trades = parse("binance", frames).trades.batch()

    times = {event.time for event in events if isinstance(event, Execution)}
    assert len(trades) > 100
    assert set(trades.exchange_time.tolist()) <= times


def test_advanced_trade_numbers_a_connections_messages_without_holes() -> None:
    frames, *_ = play("coinbase-advanced")

    assert [json.loads(frame)["sequence_num"] for frame in frames] == list(range(len(frames)))


def test_advanced_trade_snapshot_is_newest_first_and_comes_before_the_ack() -> None:
    frames, *_ = play("coinbase-advanced")
    messages = [json.loads(frame) for frame in frames[:3]]

    assert [message["channel"] for message in messages] == ["market_trades", "market_trades", "subscriptions"]
    snapshot = messages[0]["events"][0]
    ids = [int(trade["trade_id"]) for trade in snapshot["trades"]]
    assert snapshot["type"] == "snapshot"
    assert ids == sorted(ids, reverse=True)
    assert 1 < len(ids) <= 100


def test_coinbase_sends_the_last_trade_before_joining_as_last_match() -> None:
    frames, *_ = play("coinbase")
    messages = [json.loads(frame) for frame in frames]

    last = {m["product_id"]: m["trade_id"] for m in messages if m["type"] == "last_match"}
    first: dict[str, int] = {}
    for message in messages:
        if message["type"] == "match":
            first.setdefault(message["product_id"], message["trade_id"])
    assert first["BTC-USD"] == last["BTC-USD"] + 1


def test_kraken_puts_the_trades_of_one_order_in_one_frame() -> None:
    frames, _, events, _ = play("kraken")
    rows = [len(m["data"]) for m in map(json.loads, frames) if m.get("channel") == "trade" and m["type"] == "update"]

    sweeps = [len(e.fills) for e in events if isinstance(e, Execution) and e.market.symbol in SYMBOLS["kraken"]]
    assert rows == sweeps
    assert max(rows) > 1


def test_kraken_checksums_hold_for_a_reader_who_follows_the_documentation() -> None:
    """An independent reader: Kraken's own recipe, from the text of the numbers."""
    frames, *_ = play("kraken")
    books: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
    checked = 0
    for frame in frames:
        message = json.loads(frame, parse_float=str, parse_int=str)
        if message.get("channel") != "book":
            continue
        row = message["data"][0]
        if message["type"] == "snapshot":
            books[row["symbol"]] = ({}, {})
        for book, name, best_last in zip(books[row["symbol"]], ("bids", "asks"), (True, False), strict=True):
            for level in row[name]:
                book[level["price"]] = level["qty"]
                if float(level["qty"]) == 0:
                    del book[level["price"]]
            for price in sorted(book, key=float, reverse=best_last)[10:]:
                del book[price]
        bids, asks = books[row["symbol"]]
        levels = [(price, asks[price]) for price in sorted(asks, key=float)]
        levels += [(price, bids[price]) for price in sorted(bids, key=float, reverse=True)]
        text = "".join(part.replace(".", "").lstrip("0") for level in levels for part in level)
        assert str(zlib.crc32(text.encode())) == row["checksum"]
        checked += 1
    assert checked > 100
