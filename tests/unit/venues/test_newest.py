"""The newest trade id of each venue's history, from replies as the venues document them."""

import pytest

from tickwire.venues.history import HistoryReply, UnreadableReply, VenueUnavailable, new_history
from tickwire.venues.history_http import MAX_PAGE_ROWS

ROWS = {
    "binance": b'{"id":%d,"price":"100.5","qty":"0.25","time":1783465157897,"isBuyerMaker":true}',
    "coinbase": b'{"trade_id":%d,"side":"sell","size":"0.25","price":"100.5","time":"2026-07-07T22:59:17.897Z"}',
    "kraken": b'["100.5","0.25",1783465157.8971234,"b","m","",%d]',
}
KRAKEN = b'{"error":[],"result":{"XXBTZUSD":[%s],"last":"1783465157897123400"}}'
TARGETS = {
    "binance": ("BTC-USDT", "/api/v3/historicalTrades?symbol=BTCUSDT&limit=10"),
    "coinbase": ("BTC-USD", "/products/BTC-USD/trades?limit=10"),
    "kraken": ("BTC-USD", "/0/public/Trades?pair=XBTUSD&count=10"),
}


def body(venue: str, *ids: int) -> bytes:
    rows = b",".join(ROWS[venue] % number for number in ids)
    return KRAKEN % rows if venue == "kraken" else b"[%s]" % rows


@pytest.mark.parametrize("venue", TARGETS)
def test_the_highest_id_of_the_reply_is_given(venue: str) -> None:
    symbol, target = TARGETS[venue]
    newest = new_history(venue).latest(symbol)
    assert newest is not None
    assert newest.request.target == target
    assert newest.feed(HistoryReply(200, body(venue, 73, 74)), 1) == 74
    assert newest.feed(HistoryReply(200, body(venue, 74, 73)), 1) == 74
    assert newest.feed(HistoryReply(200, body(venue)), 1) is None
    with pytest.raises(VenueUnavailable):
        newest.feed(HistoryReply(503, b""), 1)


def test_a_row_without_an_id_hides_no_other_and_none_with_one_is_no_answer() -> None:
    newest = new_history("binance").latest("BTC-USDT")
    assert newest is not None
    assert newest.feed(HistoryReply(200, b'[{"id":7},{"price":"1"},{"id":-1},{"id":"9"}]'), 1) == 7
    with pytest.raises(UnreadableReply, match="none of 1 rows has a readable id"):
        newest.feed(HistoryReply(200, b'[{"price":"1"}]'), 1)


@pytest.mark.parametrize("venue", TARGETS)
def test_a_body_of_more_rows_than_a_page_can_have_is_no_page(venue: str) -> None:
    history, symbol = new_history(venue), TARGETS[venue][0]
    garbage = b",".join([b"1"] * (MAX_PAGE_ROWS + 1))
    reply = HistoryReply(200, KRAKEN % garbage if venue == "kraken" else b"[%s]" % garbage)
    newest, fill = history.latest(symbol), history.fill(symbol, 5, 9, after_time=1)
    assert newest is not None
    asked = fill.request
    for cursor in (newest, fill):
        with pytest.raises(UnreadableReply, match=f"{MAX_PAGE_ROWS + 1} rows"):
            cursor.feed(reply, 1)
    assert fill.request == asked


def test_the_weight_of_the_request_is_that_of_the_endpoint() -> None:
    newest = new_history("binance").latest("BTC-USDT")
    assert newest is not None
    assert newest.request.weight == 25
