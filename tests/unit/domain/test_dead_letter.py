import gzip
import json
import os
from base64 import b64encode
from hashlib import sha256

import pytest

from tickwire import dead_letter
from tickwire.dead_letter import UnreadableBody, payload, split_address, stored_body, unpack_body

FRAME = b'{"half\xff'


def no_fetch(address: str) -> bytes:
    raise AssertionError(f"{address} must not be fetched")


def letter(**fields: object) -> bytes:
    whole = {"kind": "frame", "frame": b64encode(FRAME).decode(), "encoding": "base64", "truncated": False}
    return json.dumps(whole | fields).encode()


def test_a_stored_body_is_named_by_kind_day_and_hash_and_is_the_same_each_time():
    body = stored_body("frame", FRAME, time=1_722_470_399_999_999_999)
    assert body.key == f"frame/2024-07-31/{sha256(FRAME).hexdigest()}.gz"
    assert gzip.decompress(body.data) == FRAME
    assert stored_body("frame", FRAME, time=1_722_470_399_999_999_999) == body
    assert stored_body("message", FRAME, time=None).key.startswith("message/undated/")
    assert split_address(body.address("a-bucket")) == ("a-bucket", body.key)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "s3://bucket",
        "https://bucket/frame/2024-07-31/" + "0" * 64 + ".gz",
        "s3://bucket/frame/../" + "0" * 64 + ".gz",
        "s3://bucket/frame/2024-07-31/" + "0" * 63 + ".gz",
        "s3://bucket/frame/2024-07-31/" + "0" * 64 + ".gz\n",
    ],
)
def test_what_is_no_address_of_ours_is_refused(address):
    with pytest.raises(UnreadableBody, match="not the address"):
        split_address(address)


def test_a_payload_is_read_in_each_of_its_encodings():
    body = stored_body("frame", FRAME, time=None)
    address = body.address("letters")
    packed = b64encode(gzip.compress(FRAME)).decode()
    assert payload("frame", letter(), no_fetch) == FRAME
    assert payload("frame", letter(frame=packed, encoding="gzip+base64"), no_fetch) == FRAME
    in_s3 = letter(frame=address, encoding="s3+gzip")
    assert payload("frame", in_s3, {address: unpack_body(address, body.data)}.__getitem__) == FRAME
    assert payload("record", letter(record=b64encode(b"r").decode()), no_fetch) == b"r"


def test_a_letter_without_a_payload_is_its_own():
    assert payload("trade", b"{}", no_fetch) == b"{}"
    assert payload("malformed", b"garbage", no_fetch) == b"garbage"


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"garbage", "no letter of kind frame"),
        (b"[]", "no letter of kind frame"),
        (b'{"frame": "eA==", "encoding": "base64"}', "truncated"),
        (letter(truncated=True), "only the beginning"),
        (letter(frame=7), "no text"),
        (letter(frame="?"), "not base64"),
        (letter(frame="eA"), "not base64"),
        (letter(encoding="zip"), "unknown encoding 'zip'"),
        (letter(encoding="gzip+base64"), "damaged gzip"),
        (letter(frame=b64encode(gzip.compress(FRAME)[:-4]).decode(), encoding="gzip+base64"), "cut short"),
        (letter(sha256=sha256(b"other").hexdigest()), "SHA-256"),
    ],
)
def test_a_payload_that_cannot_be_had_whole_says_why(message, says):
    with pytest.raises(UnreadableBody, match=says):
        payload("frame", message, no_fetch)


def test_what_unpacks_to_more_than_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(dead_letter, "MAX_BODY_BYTES", 1000)
    exact, above = os.urandom(1000), b"\0" * 1_000_000
    for body in (exact, above):
        packed = stored_body("frame", body, time=None)
        if body is exact:
            assert unpack_body(packed.address("letters"), packed.data) == exact
        else:
            with pytest.raises(UnreadableBody, match="more than 1000 bytes"):
                unpack_body(packed.address("letters"), packed.data)


def test_an_object_that_does_not_match_its_name_is_refused():
    address = stored_body("frame", b"x", time=None).address("letters")
    with pytest.raises(UnreadableBody, match="does not hold"):
        unpack_body(address, gzip.compress(b"y"))
