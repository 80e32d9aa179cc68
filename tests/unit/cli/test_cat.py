"""``tickwire cat`` on records of every section."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tickwire.columns import QuoteRows, Side, TradeFlag, TradeRows
from tickwire.conclusions import (
    Anomaly,
    AnomalyKind,
    Direction,
    IndicatorValues,
    Outcome,
    Prediction,
    Sentiment,
    SentimentPart,
    TradingSignal,
    Whale,
)
from tickwire.envelope import encode
from tickwire.records import (
    Bar,
    Continuity,
    Finding,
    FindingKind,
    Gap,
    GapState,
    Header,
    Heartbeat,
    HourState,
    Notice,
    Progress,
    Quarantined,
    Record,
    RecordKind,
    StaleBar,
)
from tickwire.symbols import Instrument
from tickwire.trace import Trace

Tickwire = Callable[..., Any]

BTC = Instrument("kraken", "BTC-USD", 8, 8)
NOW = 1783465205562702001
HOUR = 3_600 * 10**9


def record() -> Record:
    trades = TradeRows()
    quotes = QuoteRows()
    for trade_id in range(1, 31):
        trades.append(
            BTC,
            trade_id=trade_id,
            price=6350160000000,
            size=185211,
            side=Side.SELL,
            exchange_time=NOW,
            receive_time=NOW + 1,
            flags=TradeFlag.SNAPSHOT | TradeFlag.PRICE_ANOMALY,
        )
    quotes.append(
        BTC,
        bid_price=1,
        bid_size=2,
        ask_price=3,
        ask_size=4,
        update_id=5,
        exchange_time=NOW,
        receive_time=NOW,
    )
    return Record(
        header=Header(RecordKind.CLEAN, 3, 7, "495", NOW, (("ingestor", NOW), ("validator", NOW + 12_345_678))),
        trades=trades.batch(),
        quotes=quotes.batch(),
        heartbeats=(Heartbeat("coinbase", "BTC-USD", 9, NOW, NOW),),
        notices=(Notice("kraken", "venue_status", "system online", 1, NOW),),
        quarantined=(Quarantined("k", "kraken", "BTC-USD", 1, "price", "price 0", "0", "1", 1, NOW, NOW),),
        gaps=(Gap("kraken", "BTC-USD", 31, 33, "id_jump", NOW),),
        progress=(Progress("kraken", "BTC-USD", 1, 40, 30, 0, 0, 0, 10, ((31, 33), (34, 40)), NOW),),
        findings=(Finding("kraken", "BTC-USD", 31, 32, FindingKind.ABSENT, "GET /Trades: HTTP 200", NOW),),
        continuity=(
            Continuity(
                "kraken",
                "BTC-USD",
                NOW,
                (HourState(NOW // HOUR * HOUR, 30, 1, 2, 0),),
                (GapState(31, 33, "id_jump", NOW, NOW, NOW, 1, 0, 0, 2, 0, 0),),
            ),
        ),
        stale_bars=(StaleBar("kraken", "BTC-USD", 60, NOW, 3),),
        bars=(
            Bar(
                "kraken",
                "BTC-USD",
                1,
                NOW,
                8,
                8,
                100000000,
                200000000,
                1,
                5,
                7,
                3,
                Decimal("1E-16"),
                2,
                1,
                2,
                1,
                True,
                NOW,
            ),
        ),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "record"
    path.write_bytes(encode(record()))
    return path


def test_json_has_every_section_with_decimals_as_text(tickwire: Tickwire, path: Path) -> None:
    shown = tickwire("cat", path, "--json").json
    assert shown["bytes"] == path.stat().st_size
    (content,) = shown["envelopes"]
    assert content["header"] == {
        "kind": "clean",
        "partition": 3,
        "counter": 7,
        "source": "495",
        "created": NOW,
        "hops": [{"stage": "ingestor", "time": NOW}, {"stage": "validator", "time": NOW + 12_345_678}],
        "trace": None,
    }
    assert len(content["trades"]) == 30
    assert content["trades"][0] == {
        "venue": "kraken",
        "symbol": "BTC-USD",
        "trade_id": 1,
        "price": "63501.60000000",
        "size": "0.00185211",
        "side": "sell",
        "exchange_time": NOW,
        "receive_time": NOW + 1,
        "flags": ["snapshot", "price_anomaly"],
    }
    assert content["quotes"][0]["ask_price"] == "0.00000003"
    assert content["heartbeats"][0]["last_trade_id"] == 9
    assert content["notices"][0]["text"] == "system online"
    assert content["quarantined"][0]["rule"] == "price"
    assert content["gaps"][0]["last"] == 33
    assert content["progress"][0]["missing_ranges"] == [[31, 33], [34, 40]]
    assert (content["findings"][0]["kind"], content["stale_bars"][0]["trades"]) == ("absent", 3)
    assert content["continuity"][0]["hours"][0]["absent"] == 2
    assert content["continuity"][0]["gaps"][0]["remaining"] == 1
    bar = content["bars"][0]
    assert (bar["open"], bar["buy_volume"], bar["notional"]) == ("1.00000000", "0.00000003", "0.0000000000000001")


def test_text_shows_a_few_rows_of_each_section(tickwire: Tickwire, path: Path) -> None:
    lines = tickwire("cat", path).out.splitlines()
    assert lines[0].startswith("clean record, partition 3, counter 7, made from 495, ")
    assert "passed  2026-07-07T23:00:05.575047679Z  validator  (+12.346 ms)" in lines
    assert "trades: 30" in lines
    assert "  … 10 more" in lines
    assert sum("63501.60000000" in line for line in lines) == 20
    assert any("31-33 34-40" in line for line in lines)


def conclusions() -> Record:
    part = SentimentPart("momentum", 70.0, 1.0, 0.002)
    return Record(
        header=Header(RecordKind.EVENTS, 3, 8, "496", NOW),
        indicators=(IndicatorValues("kraken", "BTC-USD", 60, NOW, (55.5, *(1.0,) * 7, None)),),
        whales=(Whale(("kraken", "coinbase"), "BTC-USD", -1, NOW, NOW + 1, 4, 9e5, 63501.5, 8e5),),
        anomalies=(Anomaly("kraken", "BTC-USD", AnomalyKind.SPREAD, NOW, 0.02, 0.001, "of the price", "wide"),),
        predictions=(Prediction("kraken", "BTC-USD", NOW, 900, 63501.5, absent="warming_up", features=(0.5, None)),),
        outcomes=(Outcome("kraken", "BTC-USD", NOW, 900, 0.53, "m", "7", "champion", 63501.5, 63501.5, None),),
        signals=(
            TradingSignal("kraken", "BTC-USD", NOW, 900, Direction.FLAT, 0.06, 63501.5, None, -0.0004, "costs eat it"),
        ),
        sentiment=(Sentiment(NOW, 62.5, 5, (part,)),),
    )


def test_conclusions_are_shown_with_their_names_and_reasons(tickwire: Tickwire, path: Path) -> None:
    path.write_bytes(encode(conclusions()))
    (content,) = tickwire("cat", path, "--json").json["envelopes"]
    indicators = content["indicators"][0]
    assert (indicators["interval"], indicators["rsi_14"], indicators["imbalance_20"]) == (60, 55.5, None)
    assert (content["whales"][0]["venues"], content["whales"][0]["side"]) == (["kraken", "coinbase"], -1)
    assert (content["anomalies"][0]["kind"], content["anomalies"][0]["reason"]) == ("spread", "wide")
    assert (content["predictions"][0]["probability"], content["predictions"][0]["absent"]) == (None, "warming_up")
    assert content["predictions"][0]["features"] == [0.5, None]
    assert (content["outcomes"][0]["variant"], content["outcomes"][0]["rose"]) == ("champion", None)
    assert (content["signals"][0]["direction"], content["signals"][0]["invalidation"]) == ("flat", None)
    assert content["sentiment"] == [
        {
            "time": NOW,
            "index": 62.5,
            "symbols": 5,
            "parts": [{"name": "momentum", "score": 70.0, "weight": 1.0, "value": 0.002}],
        }
    ]
    lines = tickwire("cat", path).out.splitlines()
    text = {line.split(":")[0]: lines[k + 2] for k, line in enumerate(lines) if line.endswith(": 1")}
    assert "warming_up" in text["predictions"]
    assert "0.5 -" in text["predictions"]
    assert "kraken coinbase" in text["whales"]
    assert "2026-07-07T23:00:05.562702001Z" in text["whales"]
    assert "spread" in text["anomalies"]
    assert "costs eat it" in text["signals"]
    assert "None" not in "".join(lines)


def test_a_traced_record_names_its_trace(tickwire: Tickwire, path: Path) -> None:
    traced = record()
    trace = Trace(bytes.fromhex("58406520a006649127e371903a2de979"), bytes(8))
    path.write_bytes(encode(replace(traced, header=msgspec.structs.replace(traced.header, trace=trace))))
    assert "traced  1-58406520-a006649127e371903a2de979" in tickwire("cat", path).out.splitlines()


def test_record_of_several_envelopes_shows_each(tickwire: Tickwire, path: Path) -> None:
    path.write_bytes(path.read_bytes() * 3)
    content = tickwire("cat", path, "--json").json
    assert [envelope["header"]["counter"] for envelope in content["envelopes"]] == [7, 7, 7]
    assert tickwire("cat", path).out.count("clean record, partition 3, counter 7") == 3


def test_limit_zero_shows_all(tickwire: Tickwire, path: Path) -> None:
    assert tickwire("cat", path, "--limit", "0").out.count("63501.60000000") == 30


@pytest.mark.parametrize(
    "wrap", [bytes, base64.b64encode, base64.encodebytes, lambda data: b'"' + base64.b64encode(data) + b'"\n']
)
def test_bytes_and_base64_from_standard_input(
    tickwire: Tickwire, path: Path, monkeypatch: pytest.MonkeyPatch, wrap: Callable[[bytes], bytes]
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(wrap(path.read_bytes())))
    monkeypatch.setattr("sys.stdin", stdin)
    assert tickwire("cat", "-", "--json").json["envelopes"][0]["header"]["counter"] == 7


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:-1], "bytes"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "checksum does not match"),
        (lambda data: b"", "0 bytes are too few for a record"),
        (lambda data: b"hello, this is no record", "starts with b'hell'"),
        (lambda data: data[:4] + b"\x09" + data[5:], "record version 9; this code reads version 2"),
        (lambda data: base64.b64encode(data)[:-8], "bytes"),
    ],
)
def test_damaged_record_is_one_sentence(
    tickwire: Tickwire, path: Path, damage: Callable[[bytes], bytes], words: str
) -> None:
    path.write_bytes(damage(path.read_bytes()))
    outcome = tickwire("cat", path)
    assert outcome.code == 1
    assert words in outcome.err
    assert outcome.err.startswith(f"tickwire cat: {path}: not a readable record: ")
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""


def test_missing_record_is_named(tickwire: Tickwire, tmp_path: Path) -> None:
    outcome = tickwire("cat", tmp_path / "nowhere")
    assert (outcome.code, outcome.err) == (1, f"tickwire cat: {tmp_path / 'nowhere'}: No such file or directory\n")
