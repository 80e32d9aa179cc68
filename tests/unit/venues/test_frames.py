"""What every parser shares: times and the bounds of what a reject says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.errors import UnreadableTime
from tickwire.timestamps import parse_rfc3339
from tickwire.venues.feed import RejectReason
from tickwire.venues.frames import UnreadableFrame, read_time, shown


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:01.000000001Z", 1_000_000_001),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
        ("1970-01-01T01:00:00.25+01:00", 250_000_000),
    ],
)
def test_time_is_read_with_any_fraction_and_zone(text: str, nanoseconds: int) -> None:
    assert read_time(text, "time") == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "0001-01-01T00:00:00.000000Z",
        "2262-04-11T23:47:16.999999999Z",
        "2262-04-11T23:47:17Z",
        "1677-09-21T00:12:43.1Z",
        "2026-02-30T00:00:00.1Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00.1²Z",
        "2026-01-01T00:00:00.+1Z",
        "2026-01-01T00:00:00.1",
        "2026-01-01T00:00:00,1Z",
        "٢026-01-01T00:00:00.1Z",
    ],
)
def test_text_that_is_no_time_or_out_of_range_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(UnreadableFrame, match=r"^trade_time=") as caught:
        read_time(text, "trade_time")
    assert caught.value.reason == RejectReason.BAD_TIME


@given(
    st.from_regex(r"(19[0-9]{2}|20[0-9]{2})-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-6][0-9]", fullmatch=True),
    st.from_regex(r"(\.[0-9]{0,10})?(Z|[+-]0[0-9]:00)?", fullmatch=True),
)
def test_short_way_for_times_agrees_with_the_long_one(second: str, rest: str) -> None:
    try:
        expected = parse_rfc3339(second + rest)
    except UnreadableTime:
        with pytest.raises(UnreadableFrame):
            read_time(second + rest, "time")
    else:
        assert read_time(second + rest, "time") == expected


@pytest.mark.parametrize("value", ["x" * 10_000, b"\xff" * 10_000, {"k": "v" * 10_000}, 10**4000, list(range(9999))])
def test_shown_value_is_bounded(value: object) -> None:
    assert len(shown(value)) <= 61
