"""Lines of captured invocations, and the sums that stand for CloudWatch."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sagemaker.capture import Capture, Message, capture_line
from local.sagemaker.measures import Measures

AT = datetime(2026, 11, 27, 12, 34, 56, tzinfo=UTC)
CONFIG = {
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://models/capture",
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
}


@given(body=st.binary(max_size=200), kind=st.sampled_from(["text/csv", "application/json; charset=utf-8", "a/b"]))
def test_any_body_can_be_read_back_from_its_line(body: bytes, kind: str) -> None:
    line = capture_line(CONFIG, Message(kind, body), Message("a/b", b""), at=AT)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    given_ = json.loads(line)["captureData"]["endpointInput"]
    text = given_["data"]
    read = base64.b64decode(text) if given_["encoding"] == "BASE64" else text.encode()
    assert read == body
    assert given_["encoding"] == "BASE64" or kind != "a/b"


def test_only_what_the_options_name_is_captured() -> None:
    config = {**CONFIG, "CaptureOptions": [{"CaptureMode": "Output"}]}
    line = json.loads(capture_line(config, Message("text/csv", b"1"), Message("text/csv", b"2"), at=AT))
    assert list(line["captureData"]) == ["endpointOutput"]
    assert line["eventMetadata"]["inferenceTime"] == "2026-11-27T12:34:56Z"


def test_what_s3_does_not_take_is_written_the_next_time() -> None:
    written: dict[str, bytes] = {}
    refusing = True

    def write(address: str, body: bytes) -> None:
        if refusing:
            raise OSError("no S3")
        written[address] = body

    capture = Capture(write)
    for number in range(3):
        capture.add(CONFIG, "endpoint/champion", Message("text/csv", b"%d" % number), Message("a/b", b""), at=AT)
        capture.flush()
    refusing = False
    capture.flush()
    ((address, body),) = written.items()
    assert address.startswith("s3://models/capture/endpoint/champion/2026/11/27/12/")
    assert address.endswith(".jsonl")
    data = [json.loads(line)["captureData"]["endpointInput"]["data"] for line in body.splitlines()]
    assert data == ["0", "1", "2"]


def test_a_sample_of_the_requests_is_captured() -> None:
    written: list[bytes] = []
    capture = Capture(lambda _, body: written.append(body), seed=1)
    for _ in range(1000):
        capture.add({**CONFIG, "InitialSamplingPercentage": 30}, "e/v", Message("a/b", b""), Message("a/b", b""), at=AT)
    capture.flush()
    # Of Binomial(1000, 0.3), 228 to 372 has all but a millionth.
    assert 228 <= written[0].count(b"\n") <= 372


def test_sums_percentiles_and_alarms_follow_from_the_invocations() -> None:
    now = 600.0
    measures = Measures(lambda: now)
    for number in range(100):
        measures.add("champion", status=200, seconds=(number + 1) / 1000)
    measures.add("challenger", status=500, seconds=0.001)
    told = measures.told()
    assert told["variants"]["champion"] == {"invocations": 100, "errors_4xx": 0, "errors_5xx": 0, "p99_ms": 99.0}
    assert told["alarm"] == "OK"  # errors in one minute of three
    now = 660.0
    measures.add("challenger", status=500, seconds=0.001)
    assert measures.told()["reasons"] == ["challenger: errors in 2 of 3 minutes"]
    assert measures.told(since=660)["variants"]["challenger"]["invocations"] == 1
    now = 840.0
    assert measures.told()["alarm"] == "OK"


@pytest.mark.parametrize(("late", "alarm"), [(3, "ALARM"), (2, "OK")])
def test_late_answers_in_each_of_three_minutes_are_an_alarm(late: int, alarm: str) -> None:
    now = 0.0
    measures = Measures(lambda: now)
    for minute in range(3):
        now = 60.0 * minute
        measures.add("champion", status=200, seconds=0.2 if minute >= 3 - late else 0.01)
    assert measures.told()["alarm"] == alarm
