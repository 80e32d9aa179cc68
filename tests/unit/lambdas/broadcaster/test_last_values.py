"""When last values are stored, and what of them."""

import msgspec

from lambdas.broadcaster.health import GapData
from lambdas.broadcaster.last_values import LastValues, Place
from lambdas.broadcaster.messages import BarData, QuoteData, TradeData
from lambdas.broadcaster.value import Value

BARS = ("bars.1m", "v:A-B")


def bar(start: int, revision: int, *, final: bool = False) -> Value:
    data = BarData(start, "1", "1", "1", "1", "1", "1", "1", "1", 1, revision, final, 0)
    return Value(*BARS, start, 1, data)


def quote(bid: str) -> Value:
    return Value("quotes", "v:A-B", 0, 1, QuoteData(bid, "1", "2", "1", 0))


def trade(trade_id: int) -> Value:
    return Value("trades", "v:A-B", 0, 50, TradeData(trade_id, "1", "1", "buy", 0, 0, ()))


def stored(values: LastValues, now: float) -> list[tuple[str, int, list[object]]]:
    """Give (topic, at, what identifies each datum) of the rows that are due."""
    name = {"bars.1m": "revision", "quotes": "bid", "trades": "id", "health": "first"}
    return [
        (row.place.topic, row.place.at, [getattr(data, name[row.place.topic]) for data in row.data])
        for row in values.due(now)
    ]


def test_a_value_is_stored_at_once_and_then_once_a_second() -> None:
    values = LastValues()
    values.apply([quote("1.1")])
    assert stored(values, 100.0) == [("quotes", 0, ["1.1"])]
    values.apply([quote("1.2")])
    assert stored(values, 100.5) == []
    values.apply([quote("1.3")])
    assert stored(values, 101.0) == [("quotes", 0, ["1.3"])]
    assert stored(values, 102.0) == []


def test_a_final_bar_is_stored_at_once() -> None:
    values = LastValues()
    values.apply([bar(60_000, 1)])
    assert stored(values, 100.0) == [("bars.1m", 60_000, [1])]
    values.apply([bar(60_000, 2, final=True), bar(120_000, 1)])
    assert stored(values, 100.1) == [("bars.1m", 60_000, [2])]
    assert stored(values, 101.0) == [("bars.1m", 120_000, [1])]


def test_an_older_revision_does_not_replace_a_newer_one() -> None:
    values = LastValues()
    values.apply([bar(60_000, 5), bar(60_000, 4)])
    assert stored(values, 0.0) == [("bars.1m", 60_000, [5])]


def test_a_row_that_was_not_stored_comes_again_at_once() -> None:
    values = LastValues()
    values.apply([quote("1.1")])
    (row,) = values.due(100.0)
    values.not_stored([row.place])
    assert stored(values, 100.1) == [("quotes", 0, ["1.1"])]


def test_a_list_waits_until_what_is_stored_is_known_and_continues_it() -> None:
    values = LastValues()
    values.apply([trade(7), trade(8)])
    assert values.due(100.0) == []
    (place,) = values.unread()
    assert place == Place("trades", "v:A-B", 0)
    values.continue_from({place: [trade(6).data, trade(7).data]})
    assert stored(values, 100.1) == [("trades", 0, [6, 7, 8])]
    assert values.unread() == []


def test_a_list_keeps_its_newest() -> None:
    values = LastValues()
    values.apply([trade(n) for n in range(100, 160)])
    values.continue_from({Place("trades", "v:A-B", 0): [trade(n).data for n in range(50, 100)]})
    (row,) = values.due(0.0)
    assert [msgspec.to_builtins(data)["id"] for data in row.data] == list(range(110, 160))


def test_a_gap_seen_twice_is_kept_once() -> None:
    values = LastValues()
    gap = Value("health", "v:A-B", 1, 50, GapData("v", "A-B", 9, 9, "id_jump", 5))
    values.apply([gap, gap])
    values.continue_from({Place("health", "v:A-B", 1): [gap.data]})
    assert stored(values, 0.0) == [("health", 1, [9])]


def test_the_newest_three_bars_are_remembered_so_that_an_older_revision_cannot_come_back() -> None:
    values = LastValues()
    for start in range(60_000, 360_000, 60_000):
        values.apply([bar(start, 5)])
        values.due(start / 1000)
    values.apply([bar(180_000, 4), bar(240_000, 4), bar(300_000, 4)])
    assert stored(values, 1000.0) == []
    # What is no longer at hand is taken as it comes.
    values.apply([bar(60_000, 4)])
    assert stored(values, 2000.0) == [("bars.1m", 60_000, [4])]


def positions(values: LastValues, now: float) -> list[tuple[int, int, int | None]]:
    """Give (at, position while others lack, position once all are there) of the rows that are due."""
    return [(row.place.at, row.before, row.position) for row in values.due(now)]


def test_only_the_last_row_of_a_key_says_that_all_are_stored() -> None:
    values = LastValues()
    values.apply([bar(60_000, 1), bar(120_000, 1)], {BARS: 7}, counter=3)
    assert positions(values, 100.0) == [(60_000, 0, None), (120_000, 0, 7)]
    values.apply([bar(60_000, 2), bar(120_000, 2)], {BARS: 9}, counter=4)
    assert positions(values, 101.0) == [(60_000, 7, None), (120_000, 7, 9)]


def test_a_final_bar_that_is_stored_before_the_others_does_not_speak_for_them() -> None:
    values = LastValues()
    values.apply([bar(60_000, 1)], {BARS: 1}, counter=1)
    assert positions(values, 100.0) == [(60_000, 0, 1)]
    values.apply([bar(60_000, 2, final=True), bar(120_000, 1)], {BARS: 3}, counter=2)
    assert positions(values, 100.1) == [(60_000, 1, None)]
    assert values.not_stored_from() == 2
    assert positions(values, 101.0) == [(120_000, 1, 3)]
    assert values.not_stored_from() is None


def test_a_list_that_is_not_read_yet_holds_the_position_back() -> None:
    values = LastValues()
    values.apply([trade(1)], {("trades", "v:A-B"): 1}, counter=5)
    assert positions(values, 100.0) == []
    assert values.not_stored_from() == 5
    values.continue_from({Place("trades", "v:A-B", 0): ()})
    assert positions(values, 100.0) == [(0, 0, 1)]


def test_rows_that_were_not_stored_take_the_position_back() -> None:
    values = LastValues()
    values.apply([bar(60_000, 1)], {BARS: 1}, counter=1)
    values.due(100.0)
    values.apply([bar(60_000, 2), bar(120_000, 1)], {BARS: 2}, counter=2)
    assert positions(values, 101.0) == [(60_000, 1, None), (120_000, 1, 2)]
    values.not_stored([Place(*BARS, 60_000)])
    assert values.not_stored_from() == 2
    values.apply([bar(120_000, 2)], {BARS: 3}, counter=3)
    assert values.not_stored_from() == 2
    assert positions(values, 103.0) == [(60_000, 1, None), (120_000, 1, 3)]
