"""A trace that follows one record through the stages, in the terms of AWS X-Ray.

One record in many is sampled where it is made. From there on its head carries the trace's id and the id of what
handed it on, and each stage that takes it in tells X-Ray of itself in one segment document. Everything but the
trace's own id follows from the record, so a stage that repeats its work writes the same bytes, and tells of the same
segment once more.

Sources: AWS X-Ray developer guide, "Tracing concepts" (ids, tracing header) and "X-Ray segment documents".
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated

import msgspec

_ID_BYTES = 8
_SECOND = 1_000_000_000

Times = tuple[int, int]
"""Begin and end, ns UTC."""


class Trace(msgspec.Struct, frozen=True, array_like=True):
    """What a record's head says of the trace that follows it.

    Attributes
    ----------
    id : 4 bytes of seconds UTC, the highest first, and 12 random ones
    parent : id of the subsegment that handed the record on, 8 bytes; empty where the trace begins, never in a record
    """

    id: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    parent: Annotated[bytes, msgspec.Meta(min_length=_ID_BYTES, max_length=_ID_BYTES)]

    @property
    def name(self) -> str:
        """The trace's id as X-Ray writes it: ``1-58406520-a006649127e371903a2de979``."""
        return f"1-{self.id[:4].hex()}-{self.id[4:].hex()}"

    def after(self, stage: str) -> "Trace":
        """Give what the record's head says once ``stage`` has handed it on."""
        return Trace(self.id, self._id_of(stage, "put"))

    def segment(
        self, stage: str, *, work: Times, put: Times | None = None, annotations: Mapping[str, str | int] | None = None
    ) -> bytes:
        """Give the segment document of ``stage``, which took the record in with this trace: UTF-8 JSON.

        ``work`` is from the record taken in to all of it done, ``put`` the part of it in which it was handed on; None
        where the record ends here. ``annotations`` can be searched for.
        """
        document: dict[str, object] = {
            "name": stage,
            "id": self._id_of(stage, "work").hex(),
            "trace_id": self.name,
            "start_time": work[0] / _SECOND,
            "end_time": work[1] / _SECOND,
        }
        if self.parent:
            document["parent_id"] = self.parent.hex()
        if annotations:
            document["annotations"] = dict(annotations)
        if put is not None:
            document["subsegments"] = [
                {
                    "name": "Kinesis",
                    # A call to AWS: without that, X-Ray draws no edge from here to the next stage.
                    "namespace": "aws",
                    "id": self.after(stage).parent.hex(),
                    "start_time": put[0] / _SECOND,
                    "end_time": put[1] / _SECOND,
                }
            ]
        return msgspec.json.encode(document)

    def _id_of(self, stage: str, part: str) -> bytes:
        return sha256(b"".join((self.id, self.parent, stage.encode(), b"/", part.encode()))).digest()[:_ID_BYTES]


def begin_trace(*, time: int, unique: bytes) -> Trace:
    """Begin a trace at ``time`` (ns UTC); ``unique`` are 12 random bytes."""
    return Trace((time // _SECOND).to_bytes(4, "big") + unique, b"")
