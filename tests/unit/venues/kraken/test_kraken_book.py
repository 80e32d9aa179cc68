"""Kraken's book checksum, on the exchange's own messages."""

import json
from zlib import crc32

from tickwire.venues.feed import ParsedFrames, RejectReason
from tickwire.venues.kraken.feed import KrakenFeed

# Recorded 2026-07-07: a snapshot and the first update, with the checksums that Kraken sent.
SNAPSHOT = (
    b'{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":63501.6,"qty":0.63889204},'
    b'{"price":63500.9,"qty":0.00005100},{"price":63499.0,"qty":0.78741286},{"price":63498.0,"qty":1.30271205},'
    b'{"price":63497.7,"qty":0.00005100},{"price":63497.0,"qty":0.00015000},{"price":63496.4,"qty":0.27044082},'
    b'{"price":63496.3,"qty":0.81891828},{"price":63495.8,"qty":0.02713013},{"price":63495.2,"qty":0.05990000}],'
    b'"asks":[{"price":63501.9,"qty":0.00100000},{"price":63502.0,"qty":0.00073311},{"price":63502.1,'
    b'"qty":0.01946065},{"price":63502.2,"qty":0.06514381},{"price":63504.0,"qty":0.00005100},{"price":63504.7,'
    b'"qty":0.47474367},{"price":63504.8,"qty":0.78734230},{"price":63505.1,"qty":0.00786998},{"price":63505.9,'
    b'"qty":0.78732894},{"price":63506.4,"qty":0.00783883}],"checksum":423379305,'
    b'"timestamp":"2026-07-07T23:00:03.947173Z"}]}'
)
UPDATE_OF_UNKNOWN = (
    b'{"channel":"book","type":"update","data":[{"symbol":"ETH/USD","bids":[],"asks":[{"price":1774.14,'
    b'"qty":2.00130641}],"checksum":3356266482,"timestamp":"2026-07-07T23:00:03.977459Z"}]}'
)
UPDATE_THAT_CHANGES_NOTHING = (
    b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[],"asks":[],"checksum":423379305,'
    b'"timestamp":"2026-07-07T23:00:03.977459Z"}]}'
)


def parse(feed: KrakenFeed, *frames: bytes) -> ParsedFrames:
    out = ParsedFrames()
    for frame in frames:
        feed.parse(frame, 1, out)
    return out


def test_book_that_matches_its_checksum_says_nothing() -> None:
    out = parse(KrakenFeed(), SNAPSHOT, UPDATE_THAT_CHANGES_NOTHING)
    assert out.ignored == {"book": 2}
    assert (out.checksum_failures, out.rejects, out.statuses, len(out.quotes)) == (0, [], [], 0)


def test_one_altered_digit_fails_the_checksum_and_drops_the_book_until_a_snapshot() -> None:
    feed = KrakenFeed()
    altered = SNAPSHOT.replace(b'"qty":0.00005100', b'"qty":0.00005101', 1)
    out = parse(feed, altered, UPDATE_THAT_CHANGES_NOTHING)
    assert out.checksum_failures == 1
    assert [(reject.reason, reject.frame) for reject in out.rejects] == [(RejectReason.CHECKSUM, altered)]
    assert [status.text for status in out.statuses] == ["book BTC/USD failed its checksum and is fetched anew"]
    assert out.ignored == {"book without snapshot": 1}

    healed = parse(feed, SNAPSHOT, UPDATE_THAT_CHANGES_NOTHING)
    assert healed.ignored == {"book": 2}
    assert healed.checksum_failures == 0


UNSUBSCRIBE_AND_SUBSCRIBE = [
    {"method": "unsubscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}},
    {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10, "snapshot": True}},
]


def test_a_book_that_failed_is_asked_for_once_and_again_after_a_while() -> None:
    feed, out = KrakenFeed(), ParsedFrames()
    altered = SNAPSHOT.replace(b'"qty":0.00005100', b'"qty":0.00005101', 1)
    second = 1_000_000_000
    for time in (1, 2, 4 * second):
        feed.parse(altered, time, out)
        feed.parse(UPDATE_THAT_CHANGES_NOTHING, time, out)
    assert [json.loads(frame) for frame in out.replies] == UNSUBSCRIBE_AND_SUBSCRIBE
    # The snapshot that was asked for does not come: the next update asks again.
    feed.parse(UPDATE_THAT_CHANGES_NOTHING, 5 * second + 1, out)
    assert [json.loads(frame) for frame in out.replies] == 2 * UNSUBSCRIBE_AND_SUBSCRIBE


def test_a_book_that_cannot_be_read_is_asked_for_again_and_one_never_seen_is_not() -> None:
    feed = KrakenFeed()
    broken = UPDATE_THAT_CHANGES_NOTHING.replace(b'"asks":[]', b'"asks":[{"price":"x","qty":1.0}]')
    assert parse(feed, SNAPSHOT, UPDATE_OF_UNKNOWN).replies == []
    assert [json.loads(frame) for frame in parse(feed, broken).replies] == UNSUBSCRIBE_AND_SUBSCRIBE


def test_trailing_zeros_count_in_the_checksum() -> None:
    out = parse(KrakenFeed(), SNAPSHOT.replace(b'"price":63499.0', b'"price":63499'))
    assert out.checksum_failures == 1


def test_update_of_a_book_never_seen_is_counted_not_checked() -> None:
    out = parse(KrakenFeed(), UPDATE_OF_UNKNOWN)
    assert out.ignored == {"book without snapshot": 1}
    assert out.checksum_failures == 0


def test_reconnecting_forgets_the_books() -> None:
    feed = KrakenFeed()
    parse(feed, SNAPSHOT)
    feed.reconnected()
    assert parse(feed, UPDATE_THAT_CHANGES_NOTHING).ignored == {"book without snapshot": 1}


def test_book_with_an_unreadable_level_is_rejected_and_dropped() -> None:
    feed = KrakenFeed()
    parse(feed, SNAPSHOT)
    broken = UPDATE_THAT_CHANGES_NOTHING.replace(b'"asks":[]', b'"asks":[{"price":"x","qty":1.0}]')
    out = parse(feed, broken, UPDATE_THAT_CHANGES_NOTHING)
    assert [reject.reason for reject in out.rejects] == [RejectReason.BAD_NUMBER]
    assert out.ignored == {"book without snapshot": 1}


def test_deleting_a_level_that_is_not_there_changes_nothing() -> None:
    deletion = UPDATE_THAT_CHANGES_NOTHING.replace(b'"asks":[]', b'"asks":[{"price":99999.9,"qty":0.00000000}]')
    assert parse(KrakenFeed(), SNAPSHOT, deletion).checksum_failures == 0


def test_level_beyond_the_depth_is_cut_at_once() -> None:
    """Kraken drops what falls out of the depth; kept, it would come back when a better level goes."""
    feed = KrakenFeed()
    eleventh = UPDATE_THAT_CHANGES_NOTHING.replace(b'"asks":[]', b'"asks":[{"price":63507.0,"qty":1.00000000}]')
    assert parse(feed, SNAPSHOT, eleventh, UPDATE_THAT_CHANGES_NOTHING).checksum_failures == 0


def test_depth_named_in_the_acknowledgement_outweighs_the_size_of_the_snapshot() -> None:
    feed = KrakenFeed()
    message = json.loads(SNAPSHOT, parse_float=str)
    row = message["data"][0]
    ack = b'{"method":"subscribe","result":{"channel":"book","depth":25,"symbol":"BTC/USD"},"success":true}'
    # The eleventh ask fits a depth of 25 and shows when the best ask is taken away.
    added = UPDATE_THAT_CHANGES_NOTHING.replace(b'"asks":[]', b'"asks":[{"price":63507.0,"qty":1.00000000}]')
    asks = [*row["asks"][1:], {"price": "63507.0", "qty": "1.00000000"}]
    removed = UPDATE_THAT_CHANGES_NOTHING.replace(b'"asks":[]', b'"asks":[{"price":63501.9,"qty":0.00000000}]').replace(
        b"423379305", str(_checksum(asks, row["bids"])).encode()
    )
    assert parse(feed, ack, SNAPSHOT, added, removed).checksum_failures == 0
    feed.reconnected()
    assert parse(feed, SNAPSHOT, added, removed).checksum_failures == 1


def _checksum(asks: list[dict[str, str]], bids: list[dict[str, str]]) -> int:
    text = "".join(level[key].replace(".", "").lstrip("0") for level in (*asks, *bids) for key in ("price", "qty"))
    return crc32(text.encode())


def test_known_checksum_of_the_recorded_snapshot_by_the_documented_text() -> None:
    """The oracle of the tests above, held against the number that Kraken sent."""
    row = json.loads(SNAPSHOT, parse_float=str)["data"][0]
    assert _checksum(row["asks"], row["bids"]) == 423379305
