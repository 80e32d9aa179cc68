"""Dead letters: what they say, and that the queue's limits and failures are met."""

import gzip
import json
import random
from base64 import b64decode
from hashlib import sha256
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.delivery.dead_letters import (
    DeadLetterQueue,
    DeadLettersNotAccepted,
    LargeLetter,
    pack_payload,
    record_letter,
    trade_letter,
)
from lambdas.delivery.event import StreamInput
from tickwire.dead_letter import StoredBody
from tickwire.errors import DamagedRecord, UnknownRecordVersion
from tickwire.records import Quarantined

ROW = Quarantined("k1", "binance", "BTC-USDT", 7, "side", "side é ￿", "61685.99000000", "0.1", 0, 111, 222)


def queue(sqs: Any) -> DeadLetterQueue:
    return DeadLetterQueue(sqs, queue_url="q", sleep=lambda _: None)


def plenty() -> float:
    return 60.0


def test_a_row_becomes_a_letter_with_its_rule_and_every_field() -> None:
    body = trade_letter(ROW)
    assert body.isascii()
    assert json.loads(body) == {
        "kind": "trade",
        "key": "k1",
        "rule": "side",
        "detail": "side é ￿",
        "venue": "binance",
        "symbol": "BTC-USDT",
        "row": {
            "key": "k1",
            "venue": "binance",
            "symbol": "BTC-USDT",
            "trade_id": 7,
            "rule": "side",
            "detail": "side é ￿",
            "price": "61685.99000000",
            "size": "0.1",
            "side": 0,
            "exchange_time": 111,
            "receive_time": 222,
        },
        "time": 222,
    }


def test_an_unreadable_record_becomes_a_letter_with_its_bytes_and_the_same_key_each_time() -> None:
    item = StreamInput("49590338", 49590338, 3, b"\x00garbage", 1_700_000_000_000_000_000)
    letter = json.loads(record_letter(item, DamagedRecord("checksum does not match")))
    assert b64decode(letter["record"]) == b"\x00garbage"
    assert (letter["kind"], letter["rule"], letter["detail"]) == ("record", "damaged_record", "checksum does not match")
    assert (letter["partition"], letter["sequence_number"], letter["time"]) == (3, "49590338", item.arrival)
    assert letter["key"] == sha256(b"49590338:\x00garbage").hexdigest()[:32]
    assert json.loads(record_letter(item, UnknownRecordVersion("2")))["rule"] == "unknown_record_version"


def test_a_payload_too_large_for_base64_is_compressed_first() -> None:
    packed = pack_payload("record", b"ab" * 5000, limit=1000)
    assert (packed["encoding"], packed["truncated"]) == ("gzip+base64", False)
    assert gzip.decompress(b64decode(str(packed["record"]))) == b"ab" * 5000


def test_a_payload_too_large_even_so_keeps_its_beginning_and_the_hash_of_the_whole() -> None:
    data = random.Random(1).randbytes(5000)
    packed = pack_payload("record", data, limit=1000)
    assert (packed["encoding"], packed["truncated"]) == ("base64", True)
    assert b64decode(str(packed["record"])) == data[:750]
    assert packed["sha256"] == sha256(data).hexdigest()


def test_letters_go_out_ten_a_call(sqs: Any) -> None:
    queue(sqs).send([f"letter {n}" for n in range(25)], remaining=plenty)
    assert sorted(len(call) for call in sqs.calls) == [5, 10, 10]
    assert sorted(sqs.bodies) == sorted(f"letter {n}" for n in range(25))


def test_calls_keep_below_one_mebibyte(sqs: Any) -> None:
    queue(sqs).send(["x" * 600_000, "y" * 600_000, "z"], remaining=plenty)
    assert sorted(len(call) for call in sqs.calls) == [1, 2]


def test_only_the_refused_letters_are_sent_again(sqs: Any) -> None:
    sqs.fail = [{"1": False}]
    queue(sqs).send(["a", "b", "c"], remaining=plenty)
    assert sqs.calls == [["0", "1", "2"], ["1"]]
    assert sqs.bodies == ["a", "c", "b"]


def test_a_letter_that_the_queue_will_never_take_is_an_error_at_once(sqs: Any) -> None:
    sqs.fail = [{"1": True}]
    with pytest.raises(DeadLettersNotAccepted):
        queue(sqs).send(["a", "b"], remaining=plenty)
    assert len(sqs.calls) == 1


def test_a_queue_that_stays_away_is_an_error_when_time_is_up(sqs: Any) -> None:
    sqs.fail = [ClientError({"Error": {"Code": "ServiceUnavailable", "Message": ""}}, "SendMessageBatch")] * 9
    times = iter([60.0, 60.0, 0.5])
    with pytest.raises(DeadLettersNotAccepted, match="ServiceUnavailable"):
        queue(sqs).send(["a"], remaining=lambda: next(times))
    assert len(sqs.calls) == 3


def test_no_letters_make_no_call(sqs: Any) -> None:
    queue(sqs).send([], remaining=plenty)
    assert sqs.calls == []


LARGE = random.Random(2).randbytes(1024 * 1024)
LARGE_ITEM = StreamInput("49590338", 49590338, 3, LARGE, 1_700_000_000_000_000_000)  # 2023-11-14


def test_a_record_too_large_for_a_message_goes_to_s3_before_its_letter_goes_to_the_queue(sqs: Any) -> None:
    happened: list[str] = []

    def store(body: StoredBody) -> str:
        assert sqs.bodies == []
        happened.append(body.key)
        assert gzip.decompress(body.data) == LARGE
        return body.address("letters")

    letter = record_letter(LARGE_ITEM, DamagedRecord("x"))
    assert isinstance(letter, LargeLetter)
    DeadLetterQueue(sqs, queue_url="q", store=store).send([letter, "other"], remaining=plenty)
    key = f"record/2023-11-14/{sha256(LARGE).hexdigest()}.gz"
    assert happened == [key]
    sent = json.loads(sqs.bodies[0])
    assert (sent["record"], sent["encoding"], sent["truncated"]) == (f"s3://letters/{key}", "s3+gzip", False)
    assert (sent["kind"], sent["sequence_number"], sent["time"]) == ("record", "49590338", LARGE_ITEM.arrival)


def test_a_record_too_large_for_a_message_is_cut_short_where_there_is_no_bucket(sqs: Any) -> None:
    queue(sqs).send([record_letter(LARGE_ITEM, DamagedRecord("x"))], remaining=plenty)
    sent = json.loads(sqs.bodies[0])
    assert sent["truncated"] is True
    assert LARGE.startswith(b64decode(sent["record"]))
    assert sent["sha256"] == sha256(LARGE).hexdigest()


def test_no_letter_goes_out_when_its_record_cannot_be_stored(sqs: Any) -> None:
    def refuse(body: StoredBody) -> str:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "PutObject")

    with pytest.raises(DeadLettersNotAccepted, match="AccessDenied"):
        DeadLetterQueue(sqs, queue_url="q", store=refuse).send(
            ["other", record_letter(LARGE_ITEM, DamagedRecord("x"))], remaining=plenty
        )
    assert sqs.bodies == []
