"""Longer bars by hand: what is said of them, when they are final, and what is read for them."""

import msgspec

from lambdas.broadcaster.last_values import Place
from lambdas.broadcaster.messages import BarData
from lambdas.broadcaster.roll_up import MINUTES, RollUp
from lambdas.broadcaster.value import Value
from tickwire.records import LAKE_REVISION

SYMBOL = "binance:BTC-USDT"
MINUTE, HOUR = 60_000, 3_600_000
NOON = 472_000 * HOUR


def minute(number: int, *, revision: int = 1, final: bool = True, **changes: object) -> BarData:
    """A bar of the minute ``number`` after noon."""
    plain = BarData(
        start=NOON + number * MINUTE,
        open="100.00",
        high="101.00",
        low="99.50",
        close="100.50",
        vwap="100.25",
        volume="2.0000",
        buy_volume="0.5000",
        notional="200.500000",
        trades=3,
        revision=revision,
        final=final,
        receive=number + 1,
    )
    return msgspec.structs.replace(plain, **changes)


def values(*bars: BarData) -> list[Value]:
    return [Value(MINUTES, SYMBOL, bar.start, 1, bar) for bar in bars]


def place(number: int) -> Place:
    return Place(MINUTES, SYMBOL, NOON + number * MINUTE)


def started(*bars: BarData) -> RollUp:
    """A process that found nothing stored."""
    roll_up = RollUp()
    roll_up.take(values(*bars))
    roll_up.continue_from({one: [] for one in roll_up.unread(1_000)})
    return roll_up


def said(roll_up: RollUp, *bars: BarData) -> dict[tuple[str, int], BarData]:
    """Give what is said after these, by topic and minutes after noon."""
    if bars:
        roll_up.take(values(*bars))
    return {(value.topic, (value.at - NOON) // MINUTE): value.data for value in roll_up.values()}  # type: ignore[misc]


def test_five_minutes_and_an_hour_are_joined_by_hand() -> None:
    second = minute(
        2,
        open="100.75",
        high="103.00",
        low="100.50",
        close="102.25",
        volume="1.5",
        notional="153.0075",
        buy_volume="1.5",
    )
    found = said(started(minute(0), second))
    assert found.keys() == {("bars.5m", 0), ("bars.1h", 0)}
    for data in found.values():
        assert data == BarData(
            start=NOON,
            open="100.00",
            high="103.00",
            low="99.50",
            close="102.25",
            # 353.5075 / 3.5 = 101.002142…
            vwap="101.00",
            volume="3.5000",
            buy_volume="2.0000",
            notional="353.507500",
            trades=6,
            revision=2,
            final=False,
            receive=3,
        )


def test_a_minute_replaced_is_not_counted_twice() -> None:
    roll_up = started(minute(0, revision=1, final=False))
    said(roll_up)
    found = said(roll_up, minute(0, revision=2, final=False, volume="5.0000", trades=9))
    assert (found["bars.1h", 0].volume, found["bars.1h", 0].trades, found["bars.1h", 0].revision) == ("5.0000", 9, 2)
    older = said(roll_up, minute(0, revision=1, final=False))
    assert older == {}


def test_sums_are_exact_beyond_what_a_float_or_28_digits_hold() -> None:
    big = "12345678901234567890123.0000000000000001"
    found = said(started(minute(0, notional=big), minute(1, notional="0.0000000000000001")))
    assert found["bars.1h", 0].notional == "12345678901234567890123.0000000000000002"


def test_an_interval_is_final_once_no_minute_of_it_can_change_or_come_up() -> None:
    roll_up = started(*(minute(n) for n in range(4)), minute(4, final=False))
    assert not said(roll_up)["bars.5m", 0].final
    # In the minute after, trades of the last one are still taken.
    assert not said(roll_up, minute(4, revision=2, final=False), minute(5, final=False))["bars.5m", 0].final
    found = said(roll_up, minute(4, revision=3), minute(6, final=False))
    assert found["bars.5m", 0].final
    # 1 + 1 + 1 + 1 + 3, and one for being final.
    assert found["bars.5m", 0].revision == 8
    assert not found["bars.1h", 0].final


def test_an_interval_whose_last_minute_had_no_trade_becomes_final_too() -> None:
    roll_up = started(minute(2))
    assert not said(roll_up)["bars.5m", 0].final
    found = said(roll_up, minute(6, final=False))
    assert found.keys() == {("bars.5m", 0), ("bars.5m", 5), ("bars.1h", 0)}
    assert (found["bars.5m", 0].final, found["bars.5m", 0].revision) == (True, 2)
    assert ("bars.5m", 0) not in said(roll_up, minute(7, final=False))


def test_a_process_that_takes_over_reads_the_hour_first() -> None:
    roll_up = RollUp()
    assert said(roll_up, minute(7, final=False)) == {}
    assert roll_up.unread(1_000) == [place(n) for n in range(60)]
    stored = {place(n): [minute(n)] for n in (0, 3, 5, 6)}
    roll_up.continue_from({place(n): stored.get(place(n), []) for n in range(60)})
    assert roll_up.unread(1_000) == []
    found = said(roll_up)
    assert found["bars.1h", 0].trades == 5 * 3
    assert found["bars.5m", 5].trades == 3 * 3
    # Whether the process before said so is not known.
    assert found["bars.5m", 0].final


def test_what_is_newer_than_what_is_stored_stays() -> None:
    roll_up = RollUp()
    roll_up.take(values(minute(7, revision=5, trades=9, final=False)))
    roll_up.continue_from({place(n): [] for n in range(60)} | {place(7): [minute(7, revision=4, trades=8)]})
    assert said(roll_up)["bars.1h", 0].trades == 9


def test_an_hour_that_cannot_be_read_is_said_when_it_can() -> None:
    roll_up = RollUp()
    assert said(roll_up, minute(30, final=False)) == {}
    half = roll_up.unread(40)
    assert len(half) == 40
    roll_up.continue_from({one: [] for one in half})
    assert said(roll_up) == {}
    assert len(roll_up.unread(1_000)) == 20
    roll_up.take(values(minute(31, final=False)))
    roll_up.continue_from({one: [] for one in roll_up.unread(1_000)})
    assert said(roll_up)["bars.1h", 0].trades == 6


def test_hours_that_began_under_its_eyes_are_not_read() -> None:
    roll_up = started(minute(5, final=False))
    reads = 0
    for number in range(6, 185):
        # Each minute open, and the one before the last one final, as the live path has it.
        roll_up.take(values(minute(number - 2, revision=2), minute(number, final=False)))
        reads += len(roll_up.unread(1_000))
        roll_up.values()
    assert reads == 0
    assert said(roll_up, minute(185, final=False))["bars.1h", 180].trades == 3 * 6


def test_who_comes_in_at_the_turn_of_an_hour_reads_both() -> None:
    roll_up = RollUp()
    roll_up.take(values(minute(61, final=False)))
    assert {one.at // HOUR * HOUR for one in roll_up.unread(1_000)} == {NOON, NOON + HOUR}
    stored = {one: [] for one in roll_up.unread(1_000)} | {place(58): [minute(58)], place(60): [minute(60)]}
    roll_up.continue_from(stored)
    found = said(roll_up)
    assert found["bars.1h", 60].trades == 6
    assert (found["bars.5m", 55].trades, found["bars.5m", 55].final) == (3, True)
    assert found["bars.1h", 0].final


def test_an_amended_minute_of_an_hour_long_gone_has_it_read_again_and_is_told() -> None:
    roll_up = started(minute(240, final=False))
    said(roll_up)
    late = minute(10, revision=LAKE_REVISION + 1, amended=True, trades=4)
    assert said(roll_up, late) == {}
    assert roll_up.unread(1_000) == [place(n) for n in range(60)]
    roll_up.continue_from({place(n): [minute(n, revision=2)] for n in range(60)})
    found = said(roll_up)
    assert found.keys() == {("bars.5m", 10)} | {("bars.5m", n) for n in range(0, 60, 5)} | {("bars.1h", 0)}
    data = found["bars.1h", 0]
    assert (data.trades, data.amended, data.final) == (59 * 3 + 4, True, True)
    assert data.revision == LAKE_REVISION + 1 + 59 * 2 + 1
    # It is not kept.
    said(roll_up, minute(241, final=False))
    assert said(roll_up, late) == {}
    assert len(roll_up.unread(1_000)) == 60


def test_symbols_that_said_nothing_are_left_out() -> None:
    roll_up = started(minute(0))
    roll_up.take([])
    assert roll_up.values() == []


def test_other_topics_and_intervals_are_left_alone() -> None:
    roll_up = RollUp()
    roll_up.take([Value("bars.1s", SYMBOL, NOON, 1, minute(0))])
    assert roll_up.unread(10) == []
    assert roll_up.values() == []


def test_a_minute_without_volume_has_the_close_for_its_average() -> None:
    assert said(started(minute(0, volume="0.0000", notional="0.000000")))["bars.5m", 0].vwap == "100.50"
