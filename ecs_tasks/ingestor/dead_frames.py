"""Frames that no parser could read: kept as received, and sent to the dead-letter queue."""

import asyncio
import base64
import gzip
import hashlib
import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ecs_tasks.ingestor.aws_errors import CALL_ERRORS, error_code
from ecs_tasks.ingestor.logs import log
from ecs_tasks.shared.backoff import Backoff
from tickwire.dead_letter import IN_S3, StoreBody, stored_body
from tickwire.venues.feed import FrameReject

MAX_MESSAGE_BYTES = 1024 * 1024
"""SQS' limit of one message, and of all messages of one batch together."""
MAX_BATCH = 10
TRUNCATED_BYTES = 512 * 1024
"""How much of a frame is kept that is too large even compressed; its SHA-256 is of the whole."""
MAX_DETAIL = 500
OVERHEAD_BYTES = 1024
"""What a small frame counts for in the bound on memory."""
BACKOFF_SECONDS = (0.1, 10.0)
LOG_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DeadFrame:
    """A rejected frame and the feed that it came on.

    A row of a venue's REST history is one too: its feed is ``<feed>/history``, and ``symbol``, which
    a frame names itself, is the canonical one.
    """

    feed: str
    venue: str
    reject: FrameReject
    symbol: str | None = None

    @property
    def size(self) -> int:
        """Bytes that it counts for while it is held."""
        return len(self.reject.frame) + OVERHEAD_BYTES


def dead_frame_key(feed: str, receive_time: int, frame: bytes) -> str:
    """Give the key by which consumers know the same frame sent twice: 32 hexadecimal digits."""
    return hashlib.sha256(feed.encode() + str(receive_time).encode() + frame).hexdigest()[:32]


def dead_frame_message(dead: DeadFrame, *, store: StoreBody | None = None) -> bytes:
    """Give the JSON message of a dead frame, at most :data:`MAX_MESSAGE_BYTES`.

    The frame is base64; a large one is gzip first (``encoding: gzip+base64``); one still too
    large is written to S3 by ``store`` and named by its address (``s3+gzip``), or where there is no
    store cut to its beginning (``truncated``); both with the SHA-256 of the whole.
    """
    reject = dead.reject
    # A row of a history is the same whenever it was asked for, a frame is another each time it comes.
    source, received = (dead.feed, reject.receive_time) if dead.symbol is None else (f"{dead.feed}:{dead.symbol}", 0)
    message: dict[str, object] = {
        "kind": "frame",
        "key": dead_frame_key(source, received, reject.frame),
        "feed": dead.feed,
        "venue": dead.venue,
        "reason": reject.reason.value,
        "detail": reject.detail[:MAX_DETAIL],
        "receive_time": reject.receive_time,
        "size": len(reject.frame),
        "encoding": "base64",
        "truncated": False,
    }
    if dead.symbol is not None:
        message["symbol"] = dead.symbol
    # Room for the fields beside the frame: the detail at worst is escaped six bytes a character.
    room = (MAX_MESSAGE_BYTES - 8 * 1024) * 3 // 4
    body = reject.frame
    if len(body) > room:
        body = gzip.compress(reject.frame, compresslevel=6, mtime=0)
        message["encoding"] = "gzip+base64"
    if len(body) > room:
        message["sha256"] = hashlib.sha256(reject.frame).hexdigest()
        if store is not None:
            address = store(stored_body("frame", reject.frame, time=reject.receive_time))
            return _message(message | {"encoding": IN_S3, "frame": address})
        body = reject.frame[:TRUNCATED_BYTES]
        message |= {"encoding": "base64", "truncated": True}
    return _message(message | {"frame": base64.b64encode(body).decode()})


def _message(message: dict[str, object]) -> bytes:
    # ASCII, since SQS refuses some characters that JSON and UTF-8 allow.
    return json.dumps(message, separators=(",", ":")).encode()


Send = Callable[[Sequence[DeadFrame]], Awaitable[Sequence[str | None]]]
"""Sends up to :data:`MAX_BATCH` frames; gives per frame None if accepted, else the error's code."""


class DeadFrames:
    """Holds dead frames within a bound and sends them until accepted.

    Nothing is ever dropped: when :meth:`is_full` says so, the host stops reading the connection
    that sends them, and ``accepted`` tells it when to look again.
    """

    def __init__(
        self, *, send: Send, max_bytes: int, accepted: Callable[[], None] = lambda: None, workers: int = 4
    ) -> None:
        self._send = send
        self._max_bytes = max_bytes
        self._accepted = accepted
        self._workers = workers
        self._held: deque[DeadFrame] = deque()
        self._bytes = 0
        self._unaccepted = 0
        self._some = asyncio.Event()
        self._none = asyncio.Event()
        self._none.set()
        self._logged = 0.0
        self.sent = 0
        """Frames that the queue has accepted."""

    def __len__(self) -> int:
        return self._unaccepted

    def add(self, dead: DeadFrame) -> None:
        """Hold a frame until it is accepted."""
        self._held.append(dead)
        self._bytes += dead.size
        self._unaccepted += 1
        self._none.clear()
        self._some.set()

    def is_full(self) -> bool:
        """Say whether more is held than the bound allows."""
        return self._bytes > self._max_bytes

    def has_room(self) -> bool:
        """Say whether less than half the bound is held, so that reading may go on."""
        return self._bytes <= self._max_bytes // 2

    async def run(self) -> None:
        """Send for ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def drain(self, seconds: float) -> bool:
        """Wait until all is accepted, while :meth:`run` goes on; gives whether it was in that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._none.wait()
        except TimeoutError:
            return False
        return True

    async def _work(self) -> None:
        base, cap = BACKOFF_SECONDS
        backoff = Backoff(base_seconds=base, cap_seconds=cap)
        while True:
            await self._some.wait()
            batch = [self._held.popleft() for _ in range(min(MAX_BATCH, len(self._held)))]
            if not self._held:
                self._some.clear()
            if not batch:
                continue
            codes: Sequence[str | None]
            try:
                codes = await self._send(batch)
            except CALL_ERRORS as error:
                codes = [error_code(error)] * len(batch)
            self._settle(batch, codes)
            if any(code is not None for code in codes):
                await asyncio.sleep(backoff.next_seconds())
            else:
                backoff.reset()

    def _settle(self, batch: Sequence[DeadFrame], codes: Sequence[str | None]) -> None:
        for dead, code in zip(batch, codes, strict=True):
            if code is None:
                self._bytes -= dead.size
                self._unaccepted -= 1
                self.sent += 1
            else:
                self._held.append(dead)
                self._some.set()
        failed = sorted({code for code in codes if code is not None})
        now = time.monotonic()
        if failed and now - self._logged >= LOG_EVERY_SECONDS:
            self._logged = now
            log(logging.WARNING, "dead frames were not accepted and are retried", codes=failed, held=self._unaccepted)
        if not self._unaccepted:
            self._none.set()
        if None in codes:
            self._accepted()
