"""Whatever ids an exchange has, a fill gives each wanted one once, and names what is not there."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.venues.history import (
    CandleCursor,
    Fill,
    FillResult,
    History,
    HistoryError,
    HistoryPage,
    HistoryReply,
    HistoryRequest,
    RateBudget,
    RateRules,
    new_history,
)

RECEIVED = 1_762_900_000_000_000_000
START = 1_762_800_000_000_000_000
SYMBOLS = {"binance": "BTC-USDT", "coinbase": "BTC-USD", "kraken": "BTC-USD"}


@dataclass
class Exchange:
    """Serves the trades that it has in one venue's way; new ones come while it is asked."""

    venue: str
    ids: list[int]
    cap: int
    arrivals: int
    per_moment: int
    """Trades that share one time, as a taker order's do."""
    requests: list[HistoryRequest] = field(default_factory=list)

    def time(self, trade_id: int) -> int:
        return START + trade_id // self.per_moment * 700

    def answer(self, request: HistoryRequest) -> HistoryReply:
        self.requests.append(request)
        query = dict(request.query)
        body = getattr(self, f"_{self.venue}")(query)
        self.ids += range(self.ids[-1] + 1, self.ids[-1] + 1 + self.arrivals)
        return HistoryReply(200, body.encode())

    def _binance(self, query: dict[str, str]) -> str:
        ids = [i for i in self.ids if i >= int(query["fromId"])][: min(self.cap, int(query["limit"]))]
        rows = [
            {"id": i, "price": "1.5", "qty": "2", "time": self.time(i) // 1_000_000, "isBuyerMaker": i % 2 == 0}
            for i in ids
        ]
        return json.dumps(rows)

    def _coinbase(self, query: dict[str, str]) -> str:
        ids = [i for i in reversed(self.ids) if i < int(query["after"])][: min(self.cap, int(query["limit"]))]
        rows = [
            {"trade_id": i, "side": "buy", "size": "2", "price": "1.5", "time": "2026-09-02T07:44:10.1Z"} for i in ids
        ]
        return json.dumps(rows)

    def _kraken(self, query: dict[str, str]) -> str:
        since = int(query["since"])
        ids = [i for i in self.ids if self.time(i) > since][: min(self.cap, int(query["count"]))]
        last = self.time(ids[-1]) if ids else since
        rows = ",".join(f'["1.5","2",{self.time(i) // 10**9}.{self.time(i) % 10**9:09},"b","l","",{i}]' for i in ids)
        return f'{{"error":[],"result":{{"XXBTZUSD":[{rows}],"last":"{last}"}}}}'


def run(fill: Fill, answer: Callable[[HistoryRequest], HistoryReply], *, limit: int) -> list[HistoryPage]:
    pages: list[HistoryPage] = []
    while fill.request is not None:
        assert len(pages) < limit, "asks without end"
        page = fill.feed(answer(fill.request), RECEIVED)
        assert page.next == fill.request
        pages.append(page)
    return pages


def members(ranges: tuple[tuple[int, int], ...]) -> set[int]:
    return {i for first, last in ranges for i in range(first, last + 1)}


def absent(result: FillResult) -> set[int]:
    return members(tuple((absence.first, absence.last) for absence in result.absent))


existing = st.sets(st.integers(1, 150), min_size=2, max_size=100).map(sorted)


@pytest.mark.parametrize("venue", SYMBOLS)
@given(
    ids=existing,
    wanted=st.tuples(st.integers(1, 150), st.integers(1, 150)).map(sorted),
    cap=st.integers(2, 40),
    arrivals=st.integers(0, 3),
    per_moment=st.integers(1, 2),
)
def test_fill_gives_each_wanted_id_that_exists_once_and_confirms_only_what_does_not(
    venue: str, ids: list[int], wanted: list[int], cap: int, arrivals: int, per_moment: int
) -> None:
    # A page that holds less than three moments cannot overlap: no venue's is so small.
    exchange = Exchange(venue, list(ids), max(cap, 3 * per_moment), arrivals, per_moment)
    first, last = wanted
    fill = new_history(venue).fill(SYMBOLS[venue], first, last, after_time=exchange.time(first - 1))
    pages = run(fill, exchange.answer, limit=400)

    given_out = [int(i) for page in pages for i in page.trades.trade_id]
    assert len(given_out) == len(set(given_out))
    at_the_end, at_the_start = set(exchange.ids), set(ids)
    range_wanted = set(range(first, last + 1))
    result = fill.result()
    assert set(given_out) <= at_the_end & range_wanted
    assert set(given_out) >= at_the_start & range_wanted
    assert result.filled == len(given_out)
    assert absent(result) == {i for page in pages for a in page.absent for i in range(a.first, a.last + 1)}
    # Only inside the history can anything be proved absent, and there everything is.
    assert absent(result).isdisjoint(at_the_end)
    assert absent(result) >= {i for i in range_wanted - at_the_end if ids[0] < i < ids[-1]}
    assert set(given_out) | absent(result) | members(result.unresolved) == range_wanted
    assert bool(result.reason) == bool(result.unresolved)
    assert all(len(page.trades) <= exchange.cap for page in pages)


@pytest.mark.parametrize("venue", SYMBOLS)
@given(count=st.integers(1, 140), cap=st.integers(4, 60))
def test_pages_are_no_more_than_the_ids_need_with_an_overlap_of_one_moment(venue: str, count: int, cap: int) -> None:
    exchange = Exchange(venue, list(range(1, 200)), cap, arrivals=1, per_moment=1)
    fill = new_history(venue).fill(SYMBOLS[venue], 20, 19 + count, after_time=exchange.time(19))
    pages = run(fill, exchange.answer, limit=200)
    assert sum(len(page.trades) for page in pages) == count
    # Each page repeats at most the two trades of the last microsecond.
    assert len(pages) <= -(-(count + 1) // (cap - 2)) + 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
bodies = (
    st.binary(max_size=100)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.lists(json_values, max_size=3).map(lambda rows: json.dumps(rows).encode())
    | st.lists(json_values, max_size=3).map(
        lambda rows: json.dumps({"error": [], "result": {"XXBTZUSD": rows, "last": "1"}}).encode()
    )
    | st.dictionaries(
        st.sampled_from(["id", "trade_id", "price", "qty", "size", "side", "time", "isBuyerMaker"]), json_values
    ).map(lambda row: json.dumps([row]).encode())
)


def cursor(history: History, symbol: str, *, candles: bool) -> Fill | CandleCursor:
    if candles:
        return history.candles(symbol, 60, start=0, end=60 * 10**9 * 1000)
    return history.fill(symbol, 5, 50, after_time=START)


@pytest.mark.parametrize("venue", SYMBOLS)
@given(status=st.sampled_from([200, 200, 200, 400, 418, 429, 503]), body=bodies, candles=st.booleans())
def test_any_reply_is_a_page_with_rejects_or_a_typed_error(venue: str, status: int, body: bytes, candles: bool) -> None:
    history = new_history(venue)
    asked = cursor(history, SYMBOLS[venue], candles=candles)
    request = asked.request
    try:
        page = asked.feed(HistoryReply(status, body), RECEIVED)
    except HistoryError:
        assert asked.request == request
    else:
        assert status == 200
        assert all(reject.receive_time == RECEIVED for reject in page.rejects)


@given(
    sends=st.lists(st.tuples(st.integers(0, 20_000_000_000), st.integers(1, 50)), min_size=1, max_size=60),
    burst=st.integers(50, 100),
    per_second=st.integers(1, 100),
)
def test_no_span_of_time_holds_more_than_the_burst_and_what_came_back_in_it(
    sends: list[tuple[int, int]], burst: int, per_second: int
) -> None:
    budget = RateBudget(RateRules(burst, per_second))
    now, sent = 0, []
    for pause, weight in sends:
        now += pause
        sent.append((now + round(budget.reserve(now, weight) * 1e9), weight))
    for i, (start, _) in enumerate(sent):
        for j in range(i, len(sent)):
            spent = sum(weight for _, weight in sent[i : j + 1])
            assert spent <= burst + per_second * (sent[j][0] - start) / 1e9 + 1e-3
