"""`tickwire audit` against real stores: what it proves, what it names, what it repairs."""

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lambdas.migrations.runner import apply
from local.valkey import LocalValkey
from tickwire.cli import audit_checks, audit_missing, audit_run
from tickwire.cli.main import main
from tickwire.columns import TradeFlag
from tickwire.partitions import partition_of
from tickwire.records import Finding, FindingKind

from .audited import BTC, NOON, Exchange, Platform, Pump, time_of, trades

pytestmark = pytest.mark.services("glue", "s3", "kinesis")


@pytest.fixture(scope="module")
def state_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tickwire-") as folder:
        server = LocalValkey(Path(folder))
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@pytest.fixture
def platform(aws: str, database_url: str, state_url: str, tmp_path: Path) -> Iterator[Platform]:
    with psycopg.connect(database_url) as connection:
        apply(connection)
    exchange = Exchange()
    platform = Platform(tmp_path, database_url=database_url, state_url=state_url, aws=aws, exchange=exchange)
    yield platform
    platform.close()
    exchange.close()


@pytest.fixture
def audit(
    platform: Platform, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, Any]]:
    """Run the command; gives its exit code and its report."""
    monkeypatch.setattr(audit_run, "_SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(audit_missing, "_TAIL_SECONDS", 0.0)
    monkeypatch.setattr(audit_checks, "_BETWEEN_LOOKS_SECONDS", 0.0)

    def run(*arguments: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main(["audit", "--folder", str(platform.folder), "--json", *arguments])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else captured.err

    return run


def findings(report: Any) -> list[tuple[Any, ...]]:
    return [(f["kind"], f["ranges"], f["problem"]) for f in report["findings"]]


def figures(report: Any) -> dict[str, Any]:
    (only,) = report["symbols"]
    return only


def test_a_record_that_is_complete_is_proved_to_be(platform, audit, capsys):
    platform.exchange.ids = list(range(1, 1_121))
    platform.receive(trades(range(1_000, 1_100)))
    platform.receive(trades(range(1_100, 1_121)))
    platform.write_all()
    code, report = audit()
    assert code == 0, report
    assert report["findings"] == []
    assert report["complete"] is True
    assert set(report["checks"]) == {"lake", "validator", "dead_letters", "exchange"}
    assert set(report["checks"].values()) == {"done"}
    assert figures(report) == {
        "venue": "binance", "symbol": "BTC-USDT", "partition": figures(report)["partition"], "first_id": 1_000,
        "last_id": 1_120, "ids": 121, "accepted": 121, "stored": 121, "quarantined": 0, "absent": 0, "missing": 0,
        "completeness": 1.0, "quarantined_by_rule": {}, "exchange_last_id": 1_120,
    }  # fmt: skip
    assert platform.query("SELECT stored::text, audited_at IS NOT NULL FROM ledger") == [("{[1000,1121)}", True)]


def test_the_text_says_it_in_a_line_a_symbol(platform, audit, capsys):
    platform.exchange.ids = list(range(1_000, 1_100))
    platform.receive(trades([*range(1_000, 1_040), *range(1_043, 1_100)], bad=[1_050]))
    platform.write_all()
    assert main(["audit", "--folder", str(platform.folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "binance:BTC-USDT   ids 1,000–1,099   stored 96   quarantined 1   absent 0   missing 3   97.00 %"
    )
    assert lines[2].startswith("✗ binance:BTC-USDT: missing 1,040–1,042 (3 ids): id_jump, noticed ")
    assert lines[2].endswith("; the exchange has them")
    assert lines[-1] == "not complete: 1 problem in 100 ids"


def test_every_kind_of_loss_in_the_lake_is_named(platform, audit):
    platform.exchange.ids = list(range(1_000, 1_100))
    platform.receive(trades([i for i in range(1_000, 1_100) if i != 1_090]))
    platform.write_store()
    platform.write_lake(losing=[1_010, 1_011, 1_020])
    platform.tamper(1_050, 1_090, 999)
    code, report = audit()
    assert code == 1
    assert sorted(findings(report)) == [
        ("lost", [[1_010, 1_011], [1_020, 1_020]], True),
        ("missing", [[1_090, 1_090]], True),
        ("stored_twice", [[1_050, 1_050]], True),
        ("unaccounted", [[999, 999], [1_090, 1_090]], True),
    ]
    assert (figures(report)["stored"], figures(report)["completeness"]) == (96, pytest.approx(0.96))


def test_the_exchange_is_asked_for_what_is_missing_and_for_its_newest_trade(platform, audit):
    there = [i for i in range(1_000, 1_060) if i not in (1_020, 1_021)]
    platform.exchange.ids = [*there, 1_060, 1_061]
    platform.receive(trades([i for i in there if i not in (1_030, 1_031)]))
    platform.write_all()
    code, report = audit()
    assert code == 1
    told = {tuple(map(tuple, f["ranges"])): f for f in report["findings"]}
    assert told[(1_030, 1_031),]["detail"] == "the exchange has them"
    assert told[(1_020, 1_021),]["detail"].startswith("the exchange does not have them: GET /api/v3/historicalTrades")
    assert told[(1_060, 1_061),]["kind"] == "not_seen"
    assert figures(report)["exchange_last_id"] == 1_061
    asked = len(platform.exchange.requests)
    assert audit("--no-exchange")[0] == 1
    assert len(platform.exchange.requests) == asked


def test_an_exchange_that_does_not_answer_is_a_problem_and_not_a_proof(platform, audit):
    platform.exchange.status = 451
    platform.receive(trades(range(1_000, 1_010)))
    platform.write_all()
    code, report = audit()
    assert code == 1
    assert [f["kind"] for f in report["findings"]] == ["not_compared"]
    assert "451" in report["findings"][0]["cause"]
    assert audit("--no-exchange")[0] == 0


def test_ids_confirmed_absent_are_no_problem_and_shown_with_the_evidence(platform, audit):
    platform.exchange.ids = [*range(1_000, 1_020), *range(1_025, 1_030)]
    platform.receive(trades(platform.exchange.ids))
    absent = Finding("binance", "BTC-USDT", 1_020, 1_024, FindingKind.ABSENT, "GET /trades: 200, none between", 77)
    platform.receive(findings=(absent,))
    platform.write_all()
    code, report = audit()
    assert code == 0, report
    assert findings(report) == [("absent", [[1_020, 1_024]], False)]
    assert report["findings"][0]["detail"] == "GET /trades: 200, none between"
    assert figures(report)["absent"] == 5


def test_a_quarantined_id_needs_a_reason(platform, audit):
    platform.exchange.ids = list(range(1_000, 1_010))
    platform.receive(trades([i for i in range(1_000, 1_010) if i != 1_007], bad=[1_004, 1_005]))
    unreadable = Finding("binance", "BTC-USDT", 1_007, 1_007, FindingKind.UNREADABLE, "no price", 77)
    platform.receive(findings=(unreadable,))
    platform.write_all()
    code, report = audit()
    assert code == 0, report
    assert figures(report)["quarantined_by_rule"] == {"size": 2, "unreadable": 1}
    with psycopg.connect(platform.database_url) as connection:
        connection.execute("DELETE FROM quarantined WHERE trade_id = 1005")
    code, report = audit("--wait", "0")
    assert code == 1
    assert findings(report) == [("no_reason", [[1_005, 1_005]], True)]
    fields = json.dumps({"row": {"trade_id": 1_005}})
    with psycopg.connect(platform.database_url) as connection:
        connection.execute(
            "INSERT INTO dead_letters (kind, key, reason, detail, venue, symbol, fields, body, queue, message_id)"
            " VALUES ('trade', 'k', 'size', '', 'binance', 'BTC-USDT', %s, '', 'q', 'm')",
            [fields],
        )
    assert audit("--wait", "0")[0] == 0


def test_trades_on_their_way_to_either_store_are_no_alarm(platform, audit):
    platform.exchange.ids = list(range(1_000, 1_100))
    platform.receive(trades(range(1_000, 1_050)))
    platform.write_all()
    platform.receive(trades(range(1_050, 1_100)))
    platform.write_lake()  # the lake is ahead of the ledger
    platform.tell(state_url=None)
    code, report = audit("--no-exchange", "--wait", "0")
    assert (code, findings(report)) == (0, [])
    assert figures(report)["last_id"] == 1_049
    platform.write_store()
    platform.receive(trades(range(1_100, 1_120)))
    platform.write_store()  # the ledger is ahead of the lake, which has to be waited for
    code, report = audit("--no-exchange", "--wait", "0")
    assert code == 1
    assert [(kind, problem) for kind, _, problem in findings(report)] == [("not_compared", True)]
    assert "it holds 2 of 3" in report["findings"][0]["cause"]
    platform.write_lake()
    assert audit("--no-exchange", "--wait", "0")[0] == 0


def test_a_ledger_that_does_not_follow_the_validator_is_no_proof(platform, audit):
    platform.receive(trades(range(1_000, 1_050)))
    platform.write_all()
    platform.receive(trades(range(1_050, 1_100)))
    platform.write_lake()
    code, report = audit("--no-exchange", "--wait", "0")
    assert (code, findings(report)) == (1, [("not_compared", [], True)])
    assert report["findings"][0]["cause"] == "the ledger did not take in the validator's last records within 0 s"


def test_quotes_make_no_event_and_the_ledger_is_not_waited_for(platform, audit):
    """The validator counts a record of a quote that the stage after it has nothing to say of."""
    platform.receive(trades(range(1_000, 1_050)))
    platform.write_all()
    assert platform.query("SELECT counter, source FROM stream_checkpoints") == [(1, 1)]
    platform.quote(times=12)
    platform.write_lake()
    platform.write_store()
    ((counter, source),) = platform.query("SELECT counter, source FROM stream_checkpoints")
    assert source < 13
    assert audit("--no-exchange", "--wait", "0")[0] == 0, counter


def test_a_lake_that_cannot_be_read_is_a_clear_error(platform, audit):
    platform.receive(trades(range(1_000, 1_050)))
    platform.write_all()
    for item in platform.s3.list_objects_v2(Bucket=platform.bucket, Prefix="trades/data/")["Contents"]:
        platform.s3.delete_object(Bucket=platform.bucket, Key=item["Key"])
    code, message = audit("--no-exchange")
    assert code == 1
    assert message.startswith("tickwire audit: the lake cannot be read: ")


def test_a_ledger_that_is_not_what_the_validator_says_is_told(platform, audit):
    platform.exchange.ids = list(range(1_000, 1_100))
    platform.receive(trades([i for i in range(1_000, 1_100) if i != 1_090]))
    platform.write_all()
    with psycopg.connect(platform.database_url) as connection:
        connection.execute("UPDATE ledger SET missing = '{}', absent = '{[1090,1091)}'")
    code, report = audit("--no-exchange")
    assert code == 1
    kinds = {f["kind"]: f for f in report["findings"]}
    assert kinds["state_differs"]["ranges"] == [[1_090, 1_090]]
    assert "which ids are missing, absent" in kinds["state_differs"]["cause"]
    assert kinds["totals_differ"]["cause"] == (
        "missing 0 in the ledger and 1 in the totals, absent 1 in the ledger and 0 in the totals"
    )


def test_a_validator_that_cannot_be_asked_is_said_and_fails_nothing(platform, audit):
    platform.receive(trades(range(1_000, 1_010)))
    platform.write_all()
    platform.tell(state_url="valkey://127.0.0.1:1/0")
    code, report = audit("--no-exchange")
    assert code == 0
    assert report["checks"]["validator"].startswith("Valkey cannot be reached: ")


def test_since_an_hour_only_the_ids_after_it_are_compared(platform, audit):
    """By hand: the hour of 1300 starts with id 1000 + 5 * 60; the losses are in the hours before and after."""
    platform.receive(trades(range(1_000, 1_500)))
    platform.write_store()
    platform.write_lake(losing=[1_100, 1_400])
    assert findings(audit("--no-exchange")[1]) == [("lost", [[1_100, 1_100], [1_400, 1_400]], True)]
    code, report = audit("--no-exchange", "--since", "2024-08-08T17:20:00Z")
    assert code == 1
    assert figures(report)["first_id"] == 1_300
    assert findings(report) == [("lost", [[1_400, 1_400]], True)]
    assert platform.query("SELECT stored::text FROM ledger") == [("{[1000,1100),[1101,1400),[1401,1500)}",)]


def test_repair_brings_back_what_is_lost_missing_or_not_seen(platform, audit):
    platform.exchange.ids = [i for i in range(1_000, 1_105) if i != 1_045]
    platform.receive(trades([i for i in platform.exchange.ids if i not in (1_040, 1_041) and i < 1_100]))
    platform.receive(findings=(Finding("binance", "BTC-USDT", 1_045, 1_045, FindingKind.ABSENT, "none", 7),))
    platform.write_store()
    platform.write_lake(losing=[1_010, 1_011, 1_020])
    with Pump(platform) as pump:
        code, report = audit("--repair")
    assert code == 0, report
    repair = report["repair"]
    # 3 lost, 2 missing, 5 not seen.
    assert (repair["reopened"], repair["sent"], repair["stored"]) == (3, 10, 10)
    assert (figures(report)["stored"], figures(report)["last_id"], figures(report)["absent"]) == (104, 1_104, 1)
    reopened = [finding for record in pump.records for finding in record.findings]
    assert [(f.first, f.last, f.kind, f.after_time) for f in reopened] == [
        (1_010, 1_011, "reopen", time_of(1_009)),
        (1_020, 1_020, "reopen", time_of(1_019)),
    ]
    flags = {int(flag) for record in pump.records for flag in record.trades.flags}
    assert flags == {int(TradeFlag.BACKFILL)}
    assert audit()[0] == 0


def test_ids_lost_from_the_very_first_on_are_looked_for_from_their_hour_on(platform, audit):
    """By hand: the id 1000 traded at noon, and so the first of an hour; 1010 in the same one."""
    platform.exchange.ids = list(range(1_000, 1_100))
    platform.receive(trades(range(1_005, 1_100)))
    platform.write_store()
    platform.write_lake(losing=range(1_005, 1_011))
    with Pump(platform) as pump:
        code, report = audit("--repair")
    assert code == 0, report
    (reopened,) = [finding for record in pump.records for finding in record.findings]
    assert (reopened.first, reopened.last, reopened.after_time) == (1_005, 1_010, NOON)


def test_repair_of_a_complete_record_sends_nothing(platform, audit):
    platform.exchange.ids = list(range(1_000, 1_010))
    platform.receive(trades(range(1_000, 1_010)))
    platform.write_all()
    code, report = audit("--repair")
    assert (code, report["repair"]) == (0, None)
    assert platform.raw_records(None)[0] == []


def test_repair_that_cannot_succeed_says_what_is_left(platform, audit):
    platform.exchange.ids = list(range(1_020, 1_100))
    platform.receive(trades(range(1_000, 1_100)))
    platform.write_store()
    platform.write_lake(losing=[1_010, 1_030])
    with Pump(platform):
        code, report = audit("--repair", "--wait", "20")
    assert code == 1
    assert report["repair"]["stored"] == 1
    assert [f[:2] for f in findings(report)] == [("missing", [[1_010, 1_010]])]
    assert report["findings"][0]["cause"].startswith("reopened, noticed ")


def test_repair_with_a_wrong_number_of_partitions_sends_nothing(platform, audit):
    platform.exchange.ids = list(range(1_000, 1_020))
    platform.receive(trades(range(1_000, 1_010)))
    platform.write_all()
    (symbol,) = audit("--no-exchange")[1]["symbols"]
    wrong = next(n for n in range(1, 100) if partition_of(symbol["venue"], symbol["symbol"], n) != symbol["partition"])
    platform.tell(partitions=wrong)
    code, message = audit("--repair")
    assert code == 1
    assert f"TICKWIRE_PARTITIONS={wrong} is not this platform's number" in message
    assert platform.raw_records(None)[0] == []


def test_one_venue_or_symbol_can_be_chosen_and_an_unknown_one_is_refused(platform, audit):
    platform.receive(trades(range(1_000, 1_010)))
    platform.write_all()
    code, report = audit("--venue", "binance", "--symbol", BTC.symbol, "--no-exchange")
    assert (code, len(report["symbols"])) == (0, 1)
    code, message = audit("--venue", "kraken", "--no-exchange")
    assert (code, message) == (1, "tickwire audit: there is nothing to audit: the ledger knows no symbol kraken:*\n")


def test_a_database_that_cannot_be_reached_is_a_clear_error(platform, audit):
    platform.tell(database_url="postgresql://127.0.0.1:1/none")
    code, message = audit()
    assert code == 1
    assert message.startswith("tickwire audit: PostgreSQL: connection failed")
