"""Rejected frames to frames-dlq: the message, its limits, retries and the bound on memory."""

import asyncio
import base64
import contextlib
import gzip
import hashlib
import json
import os
from collections.abc import AsyncIterator, Sequence

from ecs_tasks.ingestor.dead_frames import MAX_MESSAGE_BYTES, DeadFrame, DeadFrames, dead_frame_message
from tickwire.dead_letter import StoredBody
from tickwire.venues.feed import FrameReject, RejectReason


def dead(frame: bytes, *, detail: str = "why", receive_time: int = 1_700_000_000_000_000_000) -> DeadFrame:
    return DeadFrame("coinbase-advanced", "coinbase", FrameReject(RejectReason.NOT_JSON, detail, frame, receive_time))


def test_a_message_holds_the_frame_as_received_with_its_reason() -> None:
    message = json.loads(dead_frame_message(dead(b'{"half\xff')))
    assert message == {
        "kind": "frame",
        "key": hashlib.sha256(b'coinbase-advanced1700000000000000000{"half\xff').hexdigest()[:32],
        "feed": "coinbase-advanced",
        "venue": "coinbase",
        "reason": "not_json",
        "detail": "why",
        "receive_time": 1_700_000_000_000_000_000,
        "size": 7,
        "encoding": "base64",
        "truncated": False,
        "frame": base64.b64encode(b'{"half\xff').decode(),
    }


def test_a_detail_of_hostile_characters_stays_short_and_ascii() -> None:
    body = dead_frame_message(dead(os.urandom(780_000), detail='\x00\ud83d\uffff"\\' * 5000))
    assert body.isascii()
    assert len(body) <= MAX_MESSAGE_BYTES
    assert len(json.loads(body)["detail"]) == 500


def test_a_large_frame_is_compressed_whole() -> None:
    frame = b'{"a":1}' * 500_000
    body = dead_frame_message(dead(frame))
    message = json.loads(body)
    assert len(body) <= MAX_MESSAGE_BYTES
    assert message["encoding"] == "gzip+base64"
    assert gzip.decompress(base64.b64decode(message["frame"])) == frame


def test_a_large_incompressible_frame_keeps_its_beginning_and_its_hash() -> None:
    frame = os.urandom(3_000_000)
    body = dead_frame_message(dead(frame))
    message = json.loads(body)
    assert len(body) <= MAX_MESSAGE_BYTES
    assert message["truncated"] is True
    assert message["sha256"] == hashlib.sha256(frame).hexdigest()
    assert message["size"] == 3_000_000
    assert base64.b64decode(message["frame"]) == frame[: 512 * 1024]


def test_a_large_incompressible_frame_goes_to_s3_whole_where_there_is_a_bucket() -> None:
    frame = os.urandom(3_000_000)
    stored: list[StoredBody] = []

    def store(body: StoredBody) -> str:
        stored.append(body)
        return body.address("letters")

    message = json.loads(dead_frame_message(dead(frame), store=store))
    assert gzip.decompress(stored[0].data) == frame
    digest = hashlib.sha256(frame).hexdigest()
    # 1,700,000,000 s after 1970 is 2023-11-14.
    assert message["frame"] == f"s3://letters/frame/2023-11-14/{digest}.gz"
    assert (message["encoding"], message["truncated"], message["sha256"]) == ("s3+gzip", False, digest)
    dead_frame_message(dead(b"small"), store=store)
    assert len(stored) == 1


def history_row(*, symbol: str = "BTC-USD", receive_time: int = 7) -> dict[str, object]:
    reject = FrameReject(RejectReason.MISSING_FIELD, "why", b"{}", receive_time)
    return json.loads(dead_frame_message(DeadFrame("kraken/history", "kraken", reject, symbol)))


def test_a_row_of_a_history_names_its_symbol_and_is_the_same_whenever_it_was_asked_for() -> None:
    message = history_row()
    assert (message["feed"], message["venue"], message["symbol"]) == ("kraken/history", "kraken", "BTC-USD")
    assert message["key"] == history_row(receive_time=8)["key"]
    assert message["key"] != history_row(symbol="ETH-USD")["key"]


class FakeQueue:
    def __init__(self) -> None:
        self.accepted: list[bytes] = []
        self.refusals = 0
        self.open = asyncio.Event()
        self.open.set()

    async def send(self, frames: Sequence[DeadFrame]) -> list[str | None]:
        await self.open.wait()
        codes: list[str | None] = []
        for frame in frames:
            if self.refusals:
                self.refusals -= 1
                codes.append("InternalError")
            else:
                self.accepted.append(frame.reject.frame)
                codes.append(None)
        return codes


@contextlib.asynccontextmanager
async def running(dead_frames: DeadFrames) -> AsyncIterator[None]:
    task = asyncio.create_task(dead_frames.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_refused_frames_are_sent_again_until_accepted_and_none_twice() -> None:
    queue = FakeQueue()
    queue.refusals = 17
    dead_frames = DeadFrames(send=queue.send, max_bytes=10**9)
    for number in range(95):
        dead_frames.add(dead(b"%d" % number))
    async with running(dead_frames):
        assert await dead_frames.drain(20)
    assert sorted(map(int, queue.accepted)) == list(range(95))
    assert dead_frames.sent == 95
    assert len(dead_frames) == 0


async def test_the_bound_is_on_bytes_held_and_room_comes_back_after_acceptance() -> None:
    queue = FakeQueue()
    queue.open.clear()
    looked: list[bool] = []
    dead_frames = DeadFrames(send=queue.send, max_bytes=100_000, accepted=lambda: looked.append(dead_frames.has_room()))
    async with running(dead_frames):
        for _ in range(9):
            dead_frames.add(dead(b"x" * 10_000))
        assert not dead_frames.is_full()
        dead_frames.add(dead(b"x" * 10_000))
        # 10 x (10,000 + 1,024 of overhead); those under way count until they are accepted.
        assert dead_frames.is_full()
        await asyncio.sleep(0.01)
        assert dead_frames.is_full()
        assert not dead_frames.has_room()
        assert not await dead_frames.drain(0.01)
        queue.open.set()
        assert await dead_frames.drain(5)
    assert dead_frames.has_room()
    assert looked[-1] is True
