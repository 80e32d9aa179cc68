"""Timestamps against datetime and pandas."""

import datetime

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from tickwire.errors import UnreadableTime
from tickwire.timestamps import format_rfc3339, from_epoch, parse_rfc3339

_NANOSECONDS = st.integers(-(2**63) + 1, 2**63 - 1)


@given(_NANOSECONDS)
def test_writing_and_reading_gives_the_same_instant_as_pandas(nanoseconds):
    text = format_rfc3339(nanoseconds)
    assert parse_rfc3339(text) == nanoseconds
    assert pd.Timestamp(text).as_unit("ns").value == nanoseconds


@given(
    st.datetimes(datetime.datetime(1678, 1, 1), datetime.datetime(2261, 12, 31)),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_reading_agrees_with_datetime_at_any_offset(moment, offset):
    zone = datetime.timezone(datetime.timedelta(minutes=offset))
    since = moment.replace(tzinfo=zone) - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    microseconds = since // datetime.timedelta(microseconds=1)
    text = f"{moment.isoformat(timespec='microseconds')}{'-' if offset < 0 else '+'}"
    text += f"{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    assert parse_rfc3339(text) == microseconds * 1_000


@given(st.integers(1_000_000_000, 9_223_372_036), st.sampled_from([1, 10**3, 10**6, 10**9]))
def test_every_unit_of_a_unix_time_gives_the_same_instant(seconds, per_second):
    assert from_epoch(seconds * per_second) == seconds * 10**9


@given(st.text(st.sampled_from("0123456789-:TZ.+ "), max_size=32))
def test_any_text_is_a_time_or_refused(text):
    try:
        parse_rfc3339(text)
    except UnreadableTime:
        return
    assert len(text) >= 20
