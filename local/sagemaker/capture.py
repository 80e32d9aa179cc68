"""Data capture: requests and answers as lines of JSON in S3.

The format is that of SageMaker (Amazon SageMaker AI developer guide, "Capture data from real-time endpoint", and the
content types there): a body of a JSON or CSV content type as text, any other as base64.
"""

import base64
import json
import logging
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_LOGGER = logging.getLogger("tickwire.sagemaker")
_FLUSH_SECONDS = 2.0
_MAX_WAITING = 10_000
"""Lines that wait for an S3 that does not answer; of more the oldest go."""


@dataclass(frozen=True, slots=True)
class Message:
    """A body with its content type."""

    content_type: str
    body: bytes


def capture_line(
    config: dict[str, Any], asked: Message, answer: Message, *, at: datetime, inference_id: str | None = None
) -> bytes:
    """Give the line of one invocation by a ``DataCaptureConfig``, with its newline."""
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    data = {}
    for name, mode, message in (("endpointInput", "INPUT", asked), ("endpointOutput", "OUTPUT", answer)):
        if mode.capitalize() in modes or "InputAndOutput" in modes:
            text, encoding = _encoded(message, config.get("CaptureContentTypeHeader", {}))
            data[name] = {
                "observedContentType": message.content_type,
                "mode": mode,
                "data": text,
                "encoding": encoding,
            }
    metadata = {"eventId": str(uuid.uuid4()), "inferenceTime": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    if inference_id is not None:
        metadata["inferenceId"] = inference_id
    return json.dumps({"captureData": data, "eventMetadata": metadata, "eventVersion": "0"}).encode() + b"\n"


def _encoded(message: Message, types: dict[str, list[str]]) -> tuple[str, str]:
    kind = message.content_type.partition(";")[0].strip().lower()
    for encoding, listed in (("JSON", "JsonContentTypes"), ("CSV", "CsvContentTypes")):
        if kind in types.get(listed, []):
            try:
                return message.body.decode(), encoding
            except UnicodeDecodeError:
                break
    return base64.b64encode(message.body).decode(), "BASE64"


class Capture:
    """Collects lines, and puts them into S3 every two seconds, in a thread of its own.

    ``write`` puts a body at an ``s3://`` address.
    """

    def __init__(self, write: Callable[[str, bytes], None], *, seed: int | None = None) -> None:
        self._write = write
        self._waiting: dict[str, list[bytes]] = {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._random = random.Random(seed)  # noqa: S311 - a sample, and no secret
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self.lost = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._ending.set()
        self._thread.join()
        self.flush()

    def add(
        self,
        config: dict[str, Any],
        place: str,
        asked: Message,
        answer: Message,
        *,
        at: datetime,
        inference_id: str | None = None,
    ) -> None:
        """Take one invocation, if it falls into the sample; ``place`` is ``endpoint/variant``."""
        if not config.get("EnableCapture", True) or self._random.random() * 100 >= config["InitialSamplingPercentage"]:
            return
        line = capture_line(config, asked, answer, at=at, inference_id=inference_id)
        prefix = f"{config['DestinationS3Uri'].rstrip('/')}/{place}/{at:%Y/%m/%d/%H}"
        with self._lock:
            lines = self._waiting.setdefault(prefix, [])
            lines.append(line)
            if len(lines) > _MAX_WAITING:
                del lines[0]
                self.lost += 1

    def flush(self) -> None:
        """Write what waits; what cannot be written waits on."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for prefix, lines in waiting.items():
            now = datetime.now(UTC)
            name = f"{now:%M-%S}-{now.microsecond // 1000:03}-{uuid.uuid4()}.jsonl"
            try:
                self._write(f"{prefix}/{name}", b"".join(lines))
            except Exception:
                _LOGGER.exception("%d captured lines wait for %s", len(lines), prefix)
                with self._lock:
                    kept = self._waiting.get(prefix, [])
                    self._waiting[prefix] = (lines + kept)[-_MAX_WAITING:]
                    self.lost += max(0, len(lines) + len(kept) - _MAX_WAITING)

    def _run(self) -> None:
        while not self._ending.wait(_FLUSH_SECONDS):
            self.flush()


def now() -> datetime:
    """Give this moment, UTC."""
    return datetime.now(UTC)
