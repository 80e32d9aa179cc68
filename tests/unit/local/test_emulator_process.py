"""The emulator's expiry of stream records: the same outcome, without a walk over all of them."""

from ministack.services import kinesis

from local.emulator_process import expiring_cheaply

NOW = 1_783_465_157.0
HOUR = 3600


def stream(**shards: list[float]) -> dict[str, object]:
    return {
        "RetentionPeriodHours": 24,
        "shards": {
            name: {"records": [{"ApproximateArrivalTimestamp": NOW - age * HOUR} for age in ages]}
            for name, ages in shards.items()
        },
    }


def test_expired_records_go_as_ministack_lets_them_go(monkeypatch):
    monkeypatch.setattr(kinesis.time, "time", lambda: NOW)
    expire = expiring_cheaply(kinesis._expire_records, now=lambda: NOW)
    for shards in ({"a": [30, 25, 23, 1], "b": [2]}, {"a": [], "b": [24.5]}, {"a": [23.9, 3]}, {}):
        cheap, plain = stream(**shards), stream(**shards)
        expire(cheap)
        kinesis._expire_records(plain)
        assert cheap == plain


def test_a_stream_with_nothing_expired_is_left_alone():
    walked = []
    expire = expiring_cheaply(walked.append, now=lambda: NOW)
    expire(stream(a=[23, 1], b=[]))
    assert walked == []
    expire(stream(a=[23, 1], b=[25]))
    assert len(walked) == 1
