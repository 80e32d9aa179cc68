"""``tickwire dead-letters`` without a platform: usage, texts, what is sent and marked. With one: tests/integration."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.delivery.raw_stream import NotAccepted, RawStream, check_partitions
from lambdas.delivery.redriving import Tried, redrive_letters
from lambdas.postgres.letters import StoredLetter, state
from tickwire.cli.dead_letters import _since
from tickwire.cli.letter_text import RedriveReport, print_letter, print_letters, print_letters_json
from tickwire.columns import Side, TradeRows
from tickwire.dead_letter import UnreadableBody
from tickwire.envelope import MAX_RECORD_BYTES, decode
from tickwire.partitions import explicit_hash_key, partition_of
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import Instrument

SEEN = datetime(2026, 7, 8, 1, 0, 0, tzinfo=timezone(timedelta(hours=2)))
LETTER = {
    "kind": "trade",
    "key": "0123456789abcdef0123456789abcdef",
    "reason": "time",
    "detail": "late\x1b[2J",
    "venue": "binance",
    "symbol": "BTC-USDT",
    "time_ns": 1_783_465_200_000_000_000,
    "first_seen": SEEN,
    "last_seen": SEEN,
    "receipts": 2,
    "queue": "trades-dlq",
    "redrives": 0,
    "redriven_at": None,
    "redrive_outcome": None,
    "body_address": None,
    "body_bytes": 1234,
    "fields": {"row": {"trade_id": 7}},
}


@pytest.fixture(autouse=True)
def no_platform(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "STATE_URL", "RAW_STREAM", "PARTITIONS", "DEAD_LETTER_BUCKET", "LAKE_DATABASE"):
        monkeypatch.delenv(f"TICKWIRE_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "160")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: ACTION"),
        (["redrive"], "say which: keys, --kind"),
        (["redrive", "abcd", "--all"], "not both"),
        (["redrive", "abcd", "--venue", "kraken"], "not both"),
        (["show"], "required: KEY"),
        (["list", "--limit", "-1"], "not a number of letters"),
        (["list", "--kind", "quote"], "invalid choice: 'quote'"),
        (["list", "--since", "yesterday"], "'yesterday' is neither 30m, 24h, 7d nor"),
    ],
)
def test_wrong_usage_is_named(tickwire, arguments, says):
    outcome = tickwire("dead-letters", *arguments)
    assert outcome.code == 2
    assert says in outcome.err


@pytest.mark.parametrize("arguments", [["list"], ["show", "abcd"], ["redrive", "--all"]])
def test_where_nothing_runs_it_says_what_to_do(tickwire, arguments):
    outcome = tickwire("dead-letters", *arguments)
    assert outcome.code == 1
    assert outcome.err.startswith("tickwire dead-letters: no platform to ask: ")
    assert "TICKWIRE_DATABASE_URL" in outcome.err


def test_a_database_that_is_away_or_unknown_is_an_error_in_a_line(tickwire, monkeypatch):
    monkeypatch.setenv("TICKWIRE_PARTITIONS", "4")
    assert "database_url is not known; set TICKWIRE_DATABASE_URL" in tickwire("dead-letters", "list").err
    monkeypatch.setenv("TICKWIRE_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    outcome = tickwire("dead-letters", "list")
    assert outcome.code == 1
    assert "PostgreSQL cannot be reached" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_since_takes_a_span_or_a_time():
    now = datetime.now(UTC)
    assert timedelta(0) <= now - _since("24h") - timedelta(hours=24) + timedelta(seconds=60) < timedelta(seconds=61)
    assert _since("2026-07-08T01:00:00+02:00") == SEEN


def test_a_table_has_a_line_a_letter_in_utc_and_nothing_that_steers_a_terminal(capsys):
    print_letters([LETTER], more=False)
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["KIND", "KEY"]
    assert line.split() == [
        "trade", "0123456789ab", "2026-07-07", "23:00:00", "binance", "BTC-USDT", "2", "new", "time", "late\ufffd[2J",
    ]  # fmt: skip
    print_letters([], more=False)
    assert capsys.readouterr().out == "no dead letters\n"


def test_json_has_everything_with_times_in_utc(capsys):
    print_letters_json([LETTER | {"redriven_at": SEEN}])
    (found,) = json.loads(capsys.readouterr().out)
    assert found == LETTER | {
        "first_seen": "2026-07-07T23:00:00Z",
        "last_seen": "2026-07-07T23:00:00Z",
        "redriven_at": "2026-07-07T23:00:00Z",
        "state": "redriven",
    }


def test_one_letter_is_shown_with_its_fields_and_the_beginning_of_its_body(capsys):
    print_letter(LETTER, b"{\x1b[2J" + b"x" * 3_000)
    text = capsys.readouterr().out
    assert "received    2 times from trades-dlq" in text
    assert '"trade_id": 7' in text
    assert "body of 3,005 bytes, the first 2,000" in text
    assert "\x1b" not in text
    print_letter(LETTER | {"time_ns": None, "fields": None}, "it is gone")
    assert "body cannot be had: it is gone" in capsys.readouterr().out


def test_a_letter_stands_where_its_last_try_left_it():
    later = SEEN + timedelta(seconds=1)
    assert state(LETTER) == "new"
    assert state(LETTER | {"redrive_outcome": "still unreadable"}) == "tried"
    assert state(LETTER | {"redrive_outcome": "1 trade", "redriven_at": SEEN}) == "redriven"
    assert state(LETTER | {"redrive_outcome": "1 trade", "redriven_at": SEEN, "last_seen": later}) == "came again"


def test_a_report_names_the_first_letters_and_counts_the_others(capsys):
    report = RedriveReport(json=False, dry_run=False)
    for number in range(30):
        report.add(Tried("frame", f"k{number}", number % 2 == 0, number % 2, "still unreadable: not_json: x"))
    report.close()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "redriven  frame/k0  still unreadable: not_json: x"
    assert len(lines) == 22
    assert lines[20] == "and 5 redriven, 5 still unreadable"
    assert lines[21] == "30 letters: 15 redriven, 15 stay; 15 trades sent"


class FakeTable:
    """Notes what is marked, and in which order things happen."""

    def __init__(self) -> None:
        self.events: list[object] = []

    def now(self) -> datetime:
        self.events.append("now")
        return SEEN

    def mark(self, outcomes: Sequence[tuple[tuple[str, str], str, bool]], *, began: datetime) -> None:
        assert began == SEEN
        self.events.append([(key, redriven) for (_, key), _, redriven in outcomes])


def trade_letter(key: str, trade_id: int = 1, symbol: str = "BTC-USDT") -> StoredLetter:
    row = {"venue": "binance", "symbol": symbol, "trade_id": trade_id, "price": "1", "size": "1", "side": 1,
           "exchange_time": 5, "receive_time": 6}  # fmt: skip
    return StoredLetter("trade", key, json.dumps({"row": row}).encode(), None)


def gone(address: str) -> bytes:
    raise UnreadableBody(f"{address} is gone")


def test_letters_are_marked_once_their_trades_are_accepted_and_not_before():
    table = FakeTable()

    def put(records: Sequence[Record]) -> None:
        table.events.append([record.trades.trade_id.tolist() for record in records])

    batches = [[trade_letter("b", 2), trade_letter("a", 1)], [trade_letter("c", 3, symbol="?")]]
    tried = list(redrive_letters(table, batches, fetch=gone, put=put, partitions=4, clock=lambda: 7))
    assert table.events == ["now", [[1, 2]], [("b", True), ("a", True)], "now", [], [("c", False)]]
    assert [(one.key, one.done, one.trades) for one in tried] == [("b", True, 1), ("a", True, 1), ("c", False, 0)]


def test_nothing_is_marked_when_the_stream_refuses():
    table = FakeTable()

    def refuse(records: Sequence[Record]) -> None:
        raise NotAccepted("full")

    with pytest.raises(NotAccepted, match="full"):
        list(redrive_letters(table, [[trade_letter("a")]], fetch=gone, put=refuse, partitions=4))
    assert table.events == ["now"]


def test_a_body_that_is_gone_is_told_and_a_dry_run_touches_nothing():
    table = FakeTable()
    lost = StoredLetter("frame", "a", None, "s3://b/k")
    (tried,) = redrive_letters(table, [[lost]], fetch=gone, put=None, partitions=4)
    assert (tried.done, tried.outcome) == (False, "cannot be redriven: s3://b/k is gone")
    assert table.events == []


class FakeKinesis:
    """Takes records like Kinesis; ``refuse`` names positions to refuse, call by call, or an error to raise."""

    def __init__(self) -> None:
        self.refuse: list[set[int] | Exception] = []
        self.accepted: list[dict[str, Any]] = []

    def put_records(self, *, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert StreamName == "raw"
        refused = self.refuse.pop(0) if self.refuse else set()
        if isinstance(refused, Exception):
            raise refused
        self.accepted += [entry for position, entry in enumerate(Records) if position not in refused]
        return {
            "Records": [{"ErrorCode": "Slow"} if n in refused else {"SequenceNumber": "1"} for n in range(len(Records))]
        }


def raw(partition: int, rows: int) -> Record:
    collected = TradeRows()
    noise = Random(partition)  # which cannot be packed
    for number in range(rows):
        price, size, exchange_time, receive_time = (noise.getrandbits(62) for _ in range(4))
        collected.append(
            Instrument("v", "A-USD", 8, 8), trade_id=number + 1, price=price, size=size, side=Side.BUY,
            exchange_time=exchange_time, receive_time=receive_time,
        )  # fmt: skip
    return Record(header=Header(RecordKind.RAW, partition), trades=collected.batch())


def test_a_record_too_large_for_the_stream_goes_in_parts_each_in_a_stream_record_of_its_own():
    kinesis = FakeKinesis()
    RawStream(kinesis, stream="raw", partitions=4).put([raw(1, 60_000), raw(2, 1)])
    assert {(entry["PartitionKey"], entry["ExplicitHashKey"]) for entry in kinesis.accepted} == {
        (str(partition), explicit_hash_key(partition, 4)) for partition in (1, 2)
    }
    assert all(len(entry["Data"]) + 1 <= MAX_RECORD_BYTES for entry in kinesis.accepted)
    parts = [decode(entry["Data"]) for entry in kinesis.accepted if entry["PartitionKey"] == "1"]
    assert len(parts) > 1
    assert [i for part in parts for i in part.trades.trade_id.tolist()] == list(range(1, 60_001))


def test_a_refused_record_is_sent_again_until_it_is_accepted():
    kinesis = FakeKinesis()
    kinesis.refuse = [{1}, {0}]
    RawStream(kinesis, stream="raw", partitions=4).put([raw(1, 1), raw(2, 1)])
    assert [entry["PartitionKey"] for entry in kinesis.accepted] == ["1", "2"]


def test_a_stream_that_stays_full_or_forbids_is_an_error():
    kinesis = FakeKinesis()
    kinesis.refuse = [{0}]
    with pytest.raises(NotAccepted, match=r"raw did not accept everything: .*Slow"):
        RawStream(kinesis, stream="raw", partitions=4, seconds=0).put([raw(1, 1)])
    kinesis.refuse = [ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "PutRecords")]
    with pytest.raises(NotAccepted, match=r"raw cannot be written to: .*AccessDenied"):
        RawStream(kinesis, stream="raw", partitions=4).put([raw(1, 1)])


def test_a_wrong_number_of_partitions_sends_nothing():
    placed = [
        ("binance", symbol, partition_of("binance", symbol, 16)) for symbol in ("BTC-USDT", "ETH-USDT", "SOL-USDT")
    ]
    check_partitions(16, placed)
    check_partitions(16, [])
    with pytest.raises(
        NotAccepted, match=r"TICKWIRE_PARTITIONS=64 is not this platform's number: binance:.*nothing was sent"
    ):
        check_partitions(64, placed)
