"""Any record survives its bytes; any damage is noticed."""

import struct
from contextlib import suppress
from decimal import Decimal
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.conclusions import (
    Anomaly,
    IndicatorValues,
    Outcome,
    Prediction,
    Sentiment,
    SentimentPart,
    TradingSignal,
    Whale,
)
from tickwire.envelope import decode, encode
from tickwire.errors import DamagedRecord, UnknownRecordVersion
from tickwire.records import Bar, Gap, Header, Heartbeat, Notice, Progress, Quarantined, Record, RecordKind
from tickwire.symbols import Instrument
from tickwire.trace import Trace

_INT64 = st.integers(-(2**63), 2**63 - 1)
_TEXT = st.text(max_size=8)
_INSTRUMENT = st.builds(Instrument, _TEXT, _TEXT, st.integers(0, 18), st.integers(0, 18))
_HEADER = st.builds(
    Header,
    kind=st.sampled_from(RecordKind),
    partition=st.integers(0, 4_095),
    counter=st.integers(0, 2**63 - 1),
    source=st.integers(0, 10**56).map(str),
    created=_INT64,
    hops=st.lists(st.tuples(_TEXT, _INT64), max_size=3).map(tuple),
    trace=st.none()
    | st.builds(Trace, id=st.binary(min_size=16, max_size=16), parent=st.binary(min_size=8, max_size=8)),
)


def _tuples(cls, **fields):
    return st.lists(st.builds(cls, **fields), max_size=2).map(tuple)


@st.composite
def _batches(draw, cls):
    instruments = draw(st.lists(_INSTRUMENT, max_size=3, unique=True))
    rows = draw(st.integers(0, 12)) if instruments else 0
    columns = []
    for name, dtype in cls.COLUMNS.items():
        limits = np.iinfo(dtype)
        values = (
            st.integers(0, max(0, len(instruments) - 1))
            if name == "instrument"
            else st.integers(limits.min, limits.max)
        )
        columns.append(np.array(draw(st.lists(values, min_size=rows, max_size=rows)), dtype))
    return cls(tuple(instruments), *columns)


_DECIMAL = st.integers(-(10**40), 10**40).map(lambda n: Decimal(f"{n}e-16"))
# NaN differs from itself; a number that there is none of is None.
_NUMBER = st.floats(allow_nan=False)
_NUMBERS = st.lists(st.none() | _NUMBER, max_size=16).map(tuple)
_CONCLUSIONS = {
    "indicators": _tuples(IndicatorValues, interval=_INT64, start=_INT64, values=_NUMBERS),
    "whales": _tuples(
        Whale,
        venues=st.lists(_TEXT, max_size=3).map(tuple),
        **dict.fromkeys("side started ended trades first_id last_id".split(), _INT64),
        **dict.fromkeys("notional price threshold".split(), _NUMBER),
    ),
    "anomalies": _tuples(Anomaly, time=_INT64, value=_NUMBER, usual=_NUMBER),
    "predictions": _tuples(
        Prediction,
        **dict.fromkeys("time horizon".split(), _INT64),
        **dict.fromkeys("absent model version variant".split(), _TEXT),
        close=_NUMBER,
        probability=st.none() | _NUMBER,
        features=_NUMBERS,
    ),
    "outcomes": _tuples(
        Outcome,
        **dict.fromkeys("time horizon".split(), _INT64),
        **dict.fromkeys("probability close closed_at".split(), _NUMBER),
        rose=st.none() | st.booleans(),
    ),
    "signals": _tuples(
        TradingSignal,
        **dict.fromkeys("time horizon".split(), _INT64),
        **dict.fromkeys("confidence price expected_move".split(), _NUMBER),
        invalidation=st.none() | _NUMBER,
    ),
    "sentiment": _tuples(
        Sentiment,
        time=_INT64,
        index=_NUMBER,
        symbols=_INT64,
        parts=_tuples(SentimentPart, score=_NUMBER, weight=_NUMBER, value=_NUMBER),
    ),
}
_RECORDS = st.builds(
    Record,
    header=_HEADER,
    trades=_batches(TradeBatch),
    quotes=_batches(QuoteBatch),
    heartbeats=_tuples(Heartbeat, last_trade_id=_INT64, exchange_time=_INT64, receive_time=_INT64),
    notices=_tuples(Notice, count=_INT64, time=_INT64),
    quarantined=_tuples(Quarantined, trade_id=_INT64, side=_INT64, exchange_time=_INT64, receive_time=_INT64),
    gaps=_tuples(Gap, first=_INT64, last=_INT64, noticed=_INT64),
    progress=_tuples(
        Progress,
        **dict.fromkeys(
            "first_id last_id accepted duplicates quarantined quarantined_ids missing time".split(), _INT64
        ),
        missing_ranges=st.lists(st.tuples(_INT64, _INT64), max_size=3).map(tuple),
    ),
    bars=_tuples(
        Bar,
        **dict.fromkeys(
            "interval start price_scale size_scale open high low close volume buy_volume trades first_id last_id"
            " revision latest_receive".split(),
            _INT64,
        ),
        notional=_DECIMAL,
    ),
    **_CONCLUSIONS,
)


@st.composite
def _long_batches(draw, cls):
    """Batches of any length up to several groups: each instrument's columns walk, jump, stand or are noise."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    counts = draw(st.lists(st.one_of(st.integers(0, 120), st.integers(1_000, 1_100)), min_size=1, max_size=5))
    instruments = tuple(Instrument("venue", f"S{k}", k, 8) for k in range(len(counts)))
    index = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    columns = []
    for name, dtype in cls.COLUMNS.items():
        if name == "instrument":
            continue
        limits = np.iinfo(dtype)
        parts = [np.empty(0, dtype)]
        for count in counts:
            kind = draw(st.sampled_from(["noise", "walk", "one", "two", "extremes"]))
            unit = 10 ** int(random.integers(0, 16)) if dtype is np.int64 else 1
            with np.errstate(over="ignore"):
                part = {
                    "noise": random.integers(limits.min, limits.max, count, dtype, endpoint=True),
                    "walk": np.cumsum(random.integers(-50, 60, count)) * unit,
                    "one": np.full(count, int(random.integers(0, 9)) * unit),
                    "two": random.integers(1, 3, count) * unit,
                    "extremes": random.choice(np.array([limits.min, -1, 0, 1, limits.max], np.int64), count),
                }[kind]
            parts.append(part.astype(dtype))
        columns.append(np.concatenate(parts))
    order = random.permutation(len(index)) if draw(st.booleans()) else np.arange(len(index))
    return cls(instruments, index[order], *(column[order] for column in columns))


def _by_instrument(batch):
    rows = zip(*(getattr(batch, name).tolist() for name in batch.COLUMNS), strict=True)
    return sorted(((batch.instruments[row[0]], row[0]), row[1:]) for row in rows)


@given(_RECORDS)
def test_any_record_survives_its_bytes(record):
    again = decode(encode(record))
    for section in ("header", "heartbeats", "notices", "quarantined", "gaps", "progress", "bars", *_CONCLUSIONS):
        assert getattr(again, section) == getattr(record, section)
    for section in ("trades", "quotes"):
        before, after = getattr(record, section), getattr(again, section)
        assert _by_instrument(after) == _by_instrument(before)
        for index in range(len(before.instruments)):
            mine, theirs = (batch.take(batch.instrument == index) for batch in (before, after))
            assert all(np.array_equal(getattr(mine, name), getattr(theirs, name)) for name in mine.COLUMNS)


@settings(max_examples=60, deadline=None)
@given(_HEADER, _long_batches(TradeBatch), _long_batches(QuoteBatch))
def test_batches_of_all_lengths_come_back_sorted_and_make_the_same_bytes_again(header, trades, quotes):
    encoded = encode(Record(header=header, trades=trades, quotes=quotes))
    again = decode(encoded)
    for before, after in ((trades, again.trades), (quotes, again.quotes)):
        order = np.argsort(before.instrument, kind="stable")
        for name, dtype in before.COLUMNS.items():
            column = getattr(after, name)
            assert np.array_equal(column, getattr(before, name)[order])
            assert (column.dtype, column.flags.c_contiguous, column.flags.writeable) == (dtype, True, True)
    assert encode(again) == encoded


@settings(max_examples=300, deadline=None)
@given(_HEADER, _long_batches(TradeBatch), st.data())
def test_any_damage_under_a_checksum_that_matches_is_read_or_refused_by_a_typed_error(header, trades, data):
    body = bytearray(encode(Record(header=header, trades=trades))[16:])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        match data.draw(st.sampled_from(["change", "cut", "insert"])):
            case "change":
                body[place] = data.draw(st.integers(0, 255))
            case "cut":
                del body[place + 1 :]
            case "insert":
                body[place:place] = data.draw(st.binary(min_size=1, max_size=9))
    sealed = b"TKWR\2\0\0\0" + struct.pack("<II", 16 + len(body), crc32(body)) + bytes(body)
    with suppress(DamagedRecord):
        decode(sealed)


@settings(max_examples=300)
@given(_RECORDS, st.data())
def test_any_changed_byte_is_noticed(record, data):
    encoded = bytearray(encode(record))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises((DamagedRecord, UnknownRecordVersion)):
        decode(bytes(encoded))


@given(_RECORDS, st.data())
def test_any_cut_is_noticed(record, data):
    encoded = encode(record)
    with pytest.raises(DamagedRecord):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_a_typed_error(data):
    with pytest.raises((DamagedRecord, UnknownRecordVersion)):
        decode(data)
    with pytest.raises((DamagedRecord, UnknownRecordVersion)):
        decode(b"TKWR\2\0\0\0" + data)
