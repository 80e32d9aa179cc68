"""Any record survives its bytes; any damage is noticed."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.envelope import decode, encode
from tickwire.errors import DamagedRecord, UnknownRecordVersion
from tickwire.records import Bar, Gap, Header, Heartbeat, Notice, Progress, Quarantined, Record, RecordKind
from tickwire.symbols import Instrument

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
)


def _by_instrument(batch):
    rows = zip(*(getattr(batch, name).tolist() for name in batch.COLUMNS), strict=True)
    return sorted(((batch.instruments[row[0]], row[0]), row[1:]) for row in rows)


@given(_RECORDS)
def test_any_record_survives_its_bytes(record):
    again = decode(encode(record))
    for section in ("header", "heartbeats", "notices", "quarantined", "gaps", "progress", "bars"):
        assert getattr(again, section) == getattr(record, section)
    for section in ("trades", "quotes"):
        before, after = getattr(record, section), getattr(again, section)
        assert _by_instrument(after) == _by_instrument(before)
        for index in range(len(before.instruments)):
            mine, theirs = (batch.take(batch.instrument == index) for batch in (before, after))
            assert all(np.array_equal(getattr(mine, name), getattr(theirs, name)) for name in mine.COLUMNS)


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
        decode(b"TKWR\1\0\0\0" + data)
