"""Tells X-Ray how a function dealt with the records that are traced.

A function that reads a stream gets records of many traces at once, while the segment that Lambda makes of an
invocation belongs to a trace of its own; X-Ray links the two only for SQS. So each traced record gets a segment of the
function in the record's trace, annotated with the invocation's, which leads to what else happened then.

The segments go to X-Ray's daemon, which Lambda runs beside a function whose tracing is on, by UDP: nothing is waited
for, and what is lost is one picture. It needs no way out of the function's network (AWS X-Ray developer guide,
"Sending segment documents to the X-Ray daemon"; Lambda developer guide, "Defined runtime environment variables").
"""

import os
import socket
from collections.abc import Iterable, Mapping

from tickwire.records import Header
from tickwire.trace import Times

_HEADER = b'{"format": "json", "version": 1}\n'


class RecordSegments:
    """Sends a segment of ``stage`` for each traced record.

    Parameters
    ----------
    environ : where ``AWS_XRAY_DAEMON_ADDRESS`` names the daemon; without it nothing is sent
    """

    def __init__(self, stage: str, environ: Mapping[str, str] = os.environ) -> None:
        self._stage = stage
        self._environ = environ
        host, _, port = environ.get("AWS_XRAY_DAEMON_ADDRESS", "").rpartition(":")
        self._address = (host, int(port)) if host else None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM) if host else None

    def send(self, headers: Iterable[Header], *, work: Times, put: Times | None = None) -> None:
        """Tell of the records among these that are traced; the times are those of the whole batch."""
        if self._socket is None or self._address is None:
            return
        for header in headers:
            if header.trace is None:
                continue
            annotations: dict[str, str | int] = {"partition": header.partition, "counter": header.counter}
            if invocation := self._invocation():
                annotations["invocation"] = invocation
            document = header.trace.segment(self._stage, work=work, put=put, annotations=annotations)
            try:
                self._socket.sendto(_HEADER + document, self._address)
            except OSError:
                # A picture less.
                return

    def _invocation(self) -> str:
        """Give the id of the trace in which Lambda puts this invocation: ``Root=1-…;Parent=…;Sampled=1``."""
        fields = self._environ.get("_X_AMZN_TRACE_ID", "").split(";")
        return next((field.removeprefix("Root=") for field in fields if field.startswith("Root=")), "")
