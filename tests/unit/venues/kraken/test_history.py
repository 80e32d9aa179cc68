"""Kraken's REST replies, as recorded or as its documentation gives them."""

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tickwire.columns import Side, TradeFlag
from tickwire.symbols import Instrument
from tickwire.venues.feed import RejectReason
from tickwire.venues.history import (
    HistoryReply,
    HistoryRequest,
    RateLimited,
    RequestRejected,
    UnreadableReply,
    VenueUnavailable,
)
from tickwire.venues.kraken.history import KrakenHistory, rest_pair
from tickwire.venues.kraken.symbols import instrument_of

SECOND = 10**9
RECEIVED = 1_762_820_040 * SECOND
OK = 200

# Recorded on 2025-11-10; and the three rows of the documentation, which has left some out.
RECORDED = b'["105433.60000","0.00027625",1762795433.9717445,"b","l","",10218208]'
DOCUMENTED = (
    b'{"error":[],"result":{"XXBTZUSD":[["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952],'
    b'["30243.30000","0.00376960",1688669598.2804112,"s","l","",61044953],'
    b'["30243.30000","0.01235716",1688669602.698379,"s","m","",61044956]],"last":"1688671969993150842"}}'
)
# From the documentation of OHLC.
OHLC = (
    b'{"error":[],"result":{"XXBTZUSD":[[1688671200,"30306.1","30306.2","30305.7","30305.7","30306.1","3.39243896",23],'
    b'[1688671260,"30304.5","30304.5","30300.0","30300.0","30300.0","4.42996871",18],'
    b'[1688671320,"30300.3","30300.4","30291.4","30291.4","30294.7","2.13024789",25],'
    b'[1688671380,"30291.8","30295.1","30291.8","30295.0","30293.8","1.01836275",9]],"last":1688671320}}'
)
AFTER = 1_762_795_433_000_000_000


def page(ids: Sequence[int], *, last: object = None, pair: str = "XXBTZUSD") -> HistoryReply:
    """Give trades of which number n was n ms after AFTER."""
    rows = ",".join(f'["1.5","2",1762795433.{i:03}0000,"s","l","",{i}]' for i in ids)
    position = json.dumps(str(AFTER + ids[-1] * 10**6) if last is None else last)
    return HistoryReply(OK, f'{{"error":[],"result":{{"{pair}":[{rows}],"last":{position}}}}}'.encode())


def since(request: HistoryRequest | None) -> int:
    assert request is not None
    return int(dict(request.query)["since"])


def test_recorded_row_is_read_exactly_with_the_takers_side() -> None:
    body = b'{"error":[],"result":{"XXBTZUSD":[' + RECORDED + b'],"last":"1762820035982277754"}}'
    brought = (
        KrakenHistory().fill("BTC-USD", 10218208, 10218208, after_time=AFTER).feed(HistoryReply(OK, body), RECEIVED)
    )
    batch = brought.trades
    assert batch.instruments == (Instrument("kraken", "BTC-USD", 8, 8),)
    assert batch.trade_id.tolist() == [10218208]
    assert batch.price.tolist() == [10543360000000]
    assert batch.size.tolist() == [27625]
    assert batch.side.tolist() == [Side.BUY]
    # As a double it would be …971744537.
    assert batch.exchange_time.tolist() == [1762795433971744500]
    assert batch.receive_time.tolist() == [RECEIVED]
    assert batch.flags.tolist() == [TradeFlag.BACKFILL]
    assert brought.next is None


def test_request_starts_a_microsecond_before_the_last_good_trade() -> None:
    request = KrakenHistory().fill("BTC-USD", 101, 104, after_time=AFTER).request
    assert request == HistoryRequest(
        "/0/public/Trades", (("pair", "XBTUSD"), ("since", str(AFTER - 1000)), ("count", "1000"))
    )


def test_fill_without_a_time_is_refused() -> None:
    with pytest.raises(ValueError, match="after_time is needed"):
        KrakenHistory().fill("BTC-USD", 101, 104)


def test_documented_page_gives_the_wanted_ids_and_the_hole_that_it_spans() -> None:
    fill = KrakenHistory().fill("BTC-USD", 61044953, 61044956, after_time=1688669597827736900)
    brought = fill.feed(HistoryReply(OK, DOCUMENTED), RECEIVED)
    assert brought.trades.trade_id.tolist() == [61044953, 61044956]
    assert brought.trades.side.tolist() == [Side.SELL, Side.SELL]
    assert brought.trades.exchange_time.tolist() == [1688669598280411200, 1688669602698379000]
    assert [(absence.first, absence.last) for absence in brought.absent] == [(61044954, 61044955)]
    assert brought.next is None


def test_next_page_starts_a_microsecond_before_the_place_that_kraken_names() -> None:
    fill = KrakenHistory().fill("BTC-USD", 101, 300, after_time=AFTER)
    first = fill.feed(page(range(100, 200)), RECEIVED)
    assert since(first.next) == AFTER + 199 * 10**6 - 1000
    second = fill.feed(page(range(199, 301)), RECEIVED)
    assert second.trades.trade_id.tolist() == list(range(200, 301))
    assert second.next is None


def test_place_that_cannot_be_read_is_replaced_by_the_time_of_the_newest_row() -> None:
    fill = KrakenHistory().fill("BTC-USD", 101, 300, after_time=AFTER)
    brought = fill.feed(page(range(100, 200), last=[]), RECEIVED)
    assert since(brought.next) == AFTER + 199 * 10**6 - 1000


def test_page_full_of_one_moment_is_passed_without_overlap() -> None:
    fill = KrakenHistory().fill("BTC-USD", 101, 300, after_time=AFTER)
    moment = str(AFTER - 500)
    first = fill.feed(page(range(100, 200), last=moment), RECEIVED)
    assert since(first.next) == AFTER - 500
    assert fill.feed(page(range(200, 301)), RECEIVED).next is None
    assert fill.result().filled == 200


def test_gap_whose_time_is_too_late_is_looked_for_further_back() -> None:
    fill = KrakenHistory().fill("BTC-USD", 101, 103, after_time=AFTER)
    asked = []
    for _ in range(3):
        asked.append(AFTER - since(fill.request))
        fill.feed(page([103, 104]), RECEIVED)
    assert asked == [1000, 10**6, SECOND]
    assert AFTER - since(fill.request) == 60 * SECOND
    brought = fill.feed(page([99, 101, 103]), RECEIVED)
    assert brought.trades.trade_id.tolist() == [101]
    assert [(absence.first, absence.last) for absence in brought.absent] == [(102, 102)]
    assert brought.next is None


def test_trades_not_in_the_history_yet_stay_unresolved() -> None:
    fill = KrakenHistory().fill("BTC-USD", 101, 104, after_time=AFTER)
    fill.feed(page([100, 101]), RECEIVED)
    fill.feed(page([101]), RECEIVED)
    at = since(fill.request)
    assert at == AFTER + 101 * 10**6
    assert fill.feed(page([], last=str(at)), RECEIVED).next is None
    assert fill.result().unresolved == ((102, 104),)
    assert fill.result().absent == ()
    assert "ends at id 101" in fill.result().reason


@pytest.mark.parametrize("key", ["XXBTZUSD", "XBTUSD", "BTC/USD"])
def test_rows_are_found_under_whatever_name_kraken_gives_the_pair(key: str) -> None:
    fill = KrakenHistory().fill("BTC-USD", 101, 101, after_time=AFTER)
    assert len(fill.feed(page([100, 101], pair=key), RECEIVED).trades) == 1


@pytest.mark.parametrize(
    ("error", "seconds", "banned"),
    [
        ("EGeneral:Too many requests", 5, False),
        ("EAPI:Rate limit exceeded", 5, False),
        ("EService: Throttled: 1762820052", 12, False),
        ("EService:Throttled: 1762820052", 12, False),
        ("EService: Throttled: 1762820000", 0, False),
        ("EService:Throttled", 5, False),
        ("EGeneral:Temporary lockout", 900, True),
    ],
)
def test_throttle_inside_http_200_is_a_rate_limit(error: str, seconds: float, banned: bool) -> None:
    fill = KrakenHistory().fill("BTC-USD", 101, 104, after_time=AFTER)
    request = fill.request
    with pytest.raises(RateLimited) as limited:
        fill.feed(HistoryReply(OK, json.dumps({"error": [error]}).encode()), RECEIVED)
    assert limited.value.retry_after_seconds == seconds
    assert limited.value.banned == banned
    assert fill.request is request


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("EService:Unavailable", VenueUnavailable),
        ("EService:Busy", VenueUnavailable),
        ("EGeneral:Internal error", VenueUnavailable),
        ("EQuery:Unknown asset pair", RequestRejected),
        ("EGeneral:Invalid arguments", RequestRejected),
    ],
)
def test_other_error_inside_http_200_says_whether_to_try_again(error: str, kind: type[Exception]) -> None:
    cursor = KrakenHistory().candles("BTC-USD", 60, start=0, end=60 * SECOND)
    with pytest.raises(kind, match=error):
        cursor.feed(HistoryReply(OK, json.dumps({"error": [error], "result": {}}).encode()), RECEIVED)


def test_warning_is_no_error() -> None:
    fill = KrakenHistory().fill("BTC-USD", 101, 101, after_time=AFTER)
    body = page([100, 101]).body.replace(b'"error":[]', b'"error":["WGeneral:Danger"]')
    assert len(fill.feed(HistoryReply(OK, body), RECEIVED).trades) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":[],"result":{"last":"1"}}',
        b'{"error":[],"result":{"A":[],"B":[],"last":"1"}}',
        b'{"error":[],"result":{"A":{},"last":"1"}}',
        b'{"result":{"A":[]}}',
        b"[]",
        b"<html>",
    ],
)
def test_reply_without_one_pairs_rows_is_unreadable(body: bytes) -> None:
    fill = KrakenHistory().fill("BTC-USD", 101, 104, after_time=AFTER)
    with pytest.raises(UnreadableReply):
        fill.feed(HistoryReply(OK, body), RECEIVED)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('["1.5","2","soon","s","l","",101]', RejectReason.BAD_TIME),
        ('["1.5","2",1.7627954e9,"s","l","",101]', RejectReason.BAD_TIME),
        ('["1,5","2",1762795433.1010000,"s","l","",101]', RejectReason.BAD_NUMBER),
        ('[1.5,"2",1762795433.1010000,"s","l","",101]', RejectReason.WRONG_TYPE),
    ],
)
def test_row_that_cannot_be_read_is_a_reject_and_its_id_unreadable(bad: str, reason: RejectReason) -> None:
    body = page([100, 101, 102]).body.replace(b'["1.5","2",1762795433.1010000,"s","l","",101]', bad.encode())
    fill = KrakenHistory().fill("BTC-USD", 101, 102, after_time=AFTER)
    brought = fill.feed(HistoryReply(OK, body), RECEIVED)
    assert brought.trades.trade_id.tolist() == [102]
    assert [reject.reason for reject in brought.rejects] == [reason]
    assert fill.result().unreadable == ((101, 101),)


def test_old_rows_without_an_id_prove_nothing() -> None:
    body = page([100, 101, 102]).body.replace(b",101]", b"]")
    fill = KrakenHistory().fill("BTC-USD", 101, 102, after_time=AFTER)
    brought = fill.feed(HistoryReply(OK, body), RECEIVED)
    assert (brought.trades.trade_id.tolist(), brought.absent) == ([102], ())
    assert len(brought.rejects) == 1
    assert fill.result().unresolved == ((101, 101),)


def test_rest_names_equal_those_of_the_captured_pairs(realdata: Path) -> None:
    line = (realdata / "captures/cryptofeed/KRAKEN.0").read_text().splitlines()[0]
    pairs = json.loads(line[line.index("{") :])["result"].values()
    # A staked asset, ETH2.S, has a name that is no canonical symbol, and no feed here takes it.
    named = [(pair["wsname"], pair["altname"]) for pair in pairs if "." not in pair.get("wsname", ".")]
    assert len(named) > 250
    for websocket, alternative in named:
        assert rest_pair(instrument_of(websocket).symbol) == alternative


def test_each_pair_has_a_budget_of_one_request_a_second() -> None:
    history = KrakenHistory()
    assert history.budget_key("BTC-USD") == "kraken:BTC-USD"
    assert (history.rate.burst, history.rate.per_second) == (1, 1)


def test_documented_ohlc_becomes_exact_candles_of_which_the_last_still_runs() -> None:
    start = 1688671200 * SECOND
    cursor = KrakenHistory().candles("BTC-USD", 60, start=start, end=start + 240 * SECOND)
    assert cursor.request == HistoryRequest(
        "/0/public/OHLC", (("pair", "XBTUSD"), ("interval", "1"), ("since", "1688671140"))
    )
    brought = cursor.feed(HistoryReply(OK, OHLC), start + 230 * SECOND)
    assert [candle.start for candle in brought.candles] == [start + k * 60 * SECOND for k in range(4)]
    assert [candle.closed for candle in brought.candles] == [True, True, True, False]
    first = brought.candles[0]
    assert (first.open, first.high, first.low, first.close) == tuple(
        map(Decimal, ("30306.1", "30306.2", "30305.7", "30305.7"))
    )
    assert (first.vwap, first.volume, first.trades) == (Decimal("30306.1"), Decimal("3.39243896"), 23)
    assert (first.notional, first.buy_volume) == (None, None)
    assert brought.next is None


def test_candle_that_kraken_has_not_committed_is_open_even_if_its_time_is_over() -> None:
    start = 1688671200 * SECOND
    cursor = KrakenHistory().candles("BTC-USD", 60, start=start, end=start + 240 * SECOND)
    brought = cursor.feed(HistoryReply(OK, OHLC), start + 241 * SECOND)
    assert [candle.closed for candle in brought.candles] == [True, True, True, False]


def test_a_history_that_gives_the_same_page_for_ever_ends_though_its_time_goes_on() -> None:
    fill = KrakenHistory().fill("BTC-USD", 5, 9, after_time=10**18)
    for page in range(1, 20):
        if fill.request is None:
            break
        row = ["1", "1", 1000000000.5, "b", "m", "", 4]
        body = {"error": [], "result": {"XXBTZUSD": [row], "last": str(10**18 + page)}}
        fill.feed(HistoryReply(200, json.dumps(body).encode()), 1)
    result = fill.result()
    assert (result.unresolved, result.absent) == (((5, 9),), ())
    assert "not beyond id 4" in result.reason
