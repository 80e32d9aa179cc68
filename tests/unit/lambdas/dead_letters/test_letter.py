import json
from base64 import b64encode

import pytest

from lambdas.dead_letters.letter import MALFORMED, read_letter
from lambdas.delivery.dead_letters import record_letter, trade_letter
from lambdas.delivery.event import StreamInput
from tickwire.errors import DamagedRecord
from tickwire.records import Quarantined


def message(body: str) -> dict[str, object]:
    return {"messageId": "m1", "body": body, "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:trades-dlq"}


def test_a_quarantined_trade_is_read_with_its_row():
    row = Quarantined("k1", "binance", "BTC-USDT", 7, "positive_price", "price is 0", "0", "1.5", 1, 2, 3)
    letter = read_letter(message(trade_letter(row)))
    assert (letter.kind, letter.key, letter.reason, letter.detail) == ("trade", "k1", "positive_price", "price is 0")
    assert (letter.venue, letter.symbol, letter.queue, letter.message_id) == ("binance", "BTC-USDT", "trades-dlq", "m1")
    assert letter.fields["row"]["trade_id"] == 7
    assert letter.time == 3


def test_a_damaged_record_is_read_without_its_payload_among_the_fields():
    body = record_letter(StreamInput("49", 49, 3, b"\x00garbage", 5), DamagedRecord("checksum does not match"))
    letter = read_letter(message(body))
    assert (letter.kind, letter.reason, letter.time) == ("record", "damaged_record", 5)
    assert "record" not in letter.fields
    assert letter.fields["sequence_number"] == "49"
    assert letter.body == body.encode()


def test_a_frame_is_read_by_its_reason_and_receive_time():
    frame = {
        "kind": "frame", "key": "f1", "feed": "kraken", "venue": "kraken", "reason": "not_json", "detail": "x",
        "receive_time": 9, "frame": b64encode(b"{").decode(), "truncated": False,
    }  # fmt: skip
    letter = read_letter(message(json.dumps(frame)))
    assert (letter.kind, letter.reason, letter.venue, letter.symbol, letter.time) == (
        "frame", "not_json", "kraken", None, 9,
    )  # fmt: skip
    assert letter.fields["feed"] == "kraken"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "7",
        '{"kind": "trade"}',
        '{"kind": 5, "key": "k", "rule": "r"}',
        '{"kind": "trade", "key": "", "rule": "r"}',
        '{"kind": "trade", "key": "k", "rule": "r", "price": NaN}',
        "[" * 100_000,
    ],
)
def test_what_is_no_letter_is_kept_as_it_came(body):
    letter = read_letter(message(body))
    assert (letter.kind, letter.reason, letter.body, letter.fields) == (
        MALFORMED,
        "malformed_message",
        body.encode(),
        None,
    )
    assert read_letter(message(body)).key == letter.key


def test_characters_that_postgresql_cannot_hold_are_replaced_in_fields_and_kept_in_the_body():
    body = json.dumps({"kind": "trade", "key": "k", "rule": "r", "detail": "a\x00b", "row": {"x\x00": ["\ud800"]}})
    letter = read_letter(message(body))
    assert letter.detail == "a\ufffdb"
    assert letter.fields["row"] == {"x\ufffd": ["\ufffd"]}
    assert json.loads(letter.body)["detail"] == "a\x00b"


def test_a_time_that_is_no_int64_is_left_out():
    for time in ("soon", 2**70, 1.5):
        body = json.dumps({"kind": "trade", "key": "k", "rule": "r", "time": time})
        assert read_letter(message(body)).time is None
