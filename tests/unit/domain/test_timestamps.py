"""Times from the venues' own frames, and texts that must be refused."""

import pytest

from tickwire.errors import UnreadableTime
from tickwire.timestamps import format_rfc3339, from_epoch, parse_rfc3339


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1969-12-31T23:59:59.999999999Z", -1),
        # Coinbase Advanced strips trailing zeros; Kraken sends microseconds; the times are `date -u +%s`.
        ("2026-09-30T02:39:59.4104Z", 1_790_735_999_410_400_000),
        ("2026-09-14T18:32:27.809282Z", 1_789_410_747_809_282_000),
        ("2026-06-14T05:35:45.435813533Z", 1_781_415_345_435_813_533),
        ("2024-02-29T12:00:00+02:30", 1_709_199_000_000_000_000),
        ("2024-02-29 12:00:00-00:00", 1_709_208_000_000_000_000),
    ],
)
def test_rfc_3339_text_becomes_nanoseconds(text, nanoseconds):
    assert parse_rfc3339(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-09-30",
        "2026-09-30T02:39:59",
        "2026-09-30T02:39:59.Z",
        "2026-09-30T02:39:59.1234567890Z",
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-09-30T24:00:00Z",
        "2026-09-30T23:59:60Z",
        "2026-09-30T02:39:59+24:00",
        "2026-09-30T02:39:59+01:60",
        "2026-09-30T02:39:59Z ",
        "２026-09-30T02:39:59Z",
        "0000-01-01T00:00:00Z",
        # A real one, of a Coinbase instrument that never traded.
        "0001-01-01T00:00:00.000000Z",
        "2300-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_in_int64_nanoseconds_is_refused(text):
    with pytest.raises(UnreadableTime):
        parse_rfc3339(text)


@pytest.mark.parametrize("value", [1_783_465_157, 1_783_465_157_000, 1_783_465_157_000_000, 1_783_465_157_000_000_000])
def test_the_unit_of_a_unix_time_is_read_off_its_magnitude(value):
    assert from_epoch(value) == 1_783_465_157_000_000_000


@pytest.mark.parametrize("value", [0, -1, 1, 999_999_999, 99_999_999_999, 10**20, 9_999_999_999])
def test_a_number_that_fits_no_unit_is_refused(value):
    with pytest.raises(UnreadableTime):
        from_epoch(value)


def test_times_are_written_with_nine_digits():
    assert format_rfc3339(1_790_735_999_410_400_000) == "2026-09-30T02:39:59.410400000Z"
    assert format_rfc3339(-1) == "1969-12-31T23:59:59.999999999Z"
