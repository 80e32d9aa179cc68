"""A trace's ids, and the segments by which X-Ray puts the stages together."""

import json
import re

from tickwire.trace import Trace, begin_trace

# The example of X-Ray's developer guide: 10:00 on 2 December 2016, Pacific time.
NOON = 1_480_615_200
UNIQUE = bytes.fromhex("a006649127e371903a2de979")
TRACE = begin_trace(time=NOON * 10**9 + 999_999_999, unique=UNIQUE)


def segment(trace: Trace, stage: str, *, ends: bool = False) -> dict:
    put = None if ends else (NOON * 10**9 + 250_000_000, NOON * 10**9 + 500_000_000)
    return json.loads(trace.segment(stage, work=(NOON * 10**9, NOON * 10**9 + 500_000_000), put=put))


def test_a_trace_is_named_as_x_ray_writes_it():
    assert TRACE.name == "1-58406520-a006649127e371903a2de979"


def test_a_segment_has_what_x_ray_requires_of_one():
    document = segment(TRACE, "ingestor")
    # https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html: required fields.
    assert re.fullmatch(r"[0-9a-f]{16}", document["id"])
    assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", document["trace_id"])
    assert re.fullmatch(r"[\w .:/%&#=+\\\-@]{1,200}", document["name"])
    assert (document["start_time"], document["end_time"]) == (NOON, NOON + 0.5)
    (handing_on,) = document["subsegments"]
    assert handing_on["namespace"] == "aws"
    assert (handing_on["start_time"], handing_on["end_time"]) == (NOON + 0.25, NOON + 0.5)
    assert "parent_id" not in document


def test_each_stage_is_the_child_of_what_handed_the_record_to_it():
    after_ingestor = TRACE.after("ingestor")
    after_validator = after_ingestor.after("validator")
    ingestor, validator = segment(TRACE, "ingestor"), segment(after_ingestor, "validator")
    writer, broadcaster = (segment(after_validator, stage, ends=True) for stage in ("store_writer", "broadcaster"))
    assert validator["parent_id"] == ingestor["subsegments"][0]["id"]
    assert writer["parent_id"] == broadcaster["parent_id"] == validator["subsegments"][0]["id"]
    assert "subsegments" not in writer
    documents = (ingestor, validator, writer, broadcaster)
    assert {document["trace_id"] for document in documents} == {TRACE.name}
    assert len({document["id"] for document in documents}) == 4


def test_a_stage_that_repeats_its_work_hands_on_the_same_trace_and_tells_of_the_same_segment():
    again = begin_trace(time=NOON * 10**9, unique=UNIQUE)
    assert again.after("ingestor").after("validator") == TRACE.after("ingestor").after("validator")
    assert segment(again, "ingestor") == segment(TRACE, "ingestor")
