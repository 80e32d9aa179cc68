"""The account of what a socket truly took."""

import asyncio

import pytest

from local.exchange.announced import Announced
from local.exchange.connection import MAX_QUEUED_BYTES, Connection, websocket_frame
from local.exchange.venues.protocol import Desk, Outgoing
from local.exchange.venues.registry import new_protocol


class FakeTransport(asyncio.Transport):
    """A transport whose kernel takes ``room`` more bytes and then no more."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.taken = b""
        self.waiting = b""
        self.closing = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.waiting += data
        self.let_through(0)

    def let_through(self, more: int) -> None:
        self.room += more
        self.taken += self.waiting[: self.room]
        self.waiting, self.room = self.waiting[self.room :], max(0, self.room - len(self.waiting))

    def get_write_buffer_size(self) -> int:
        return len(self.waiting)

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        # As asyncio's: what was not sent is thrown away.
        self.waiting, self.closing = b"", True


def connect(room: int) -> tuple[Connection, FakeTransport, Announced]:
    announced, transport = Announced(), FakeTransport(room)
    session = new_protocol("coinbase", Desk({})).open("/", {})
    return Connection(session, "coinbase", transport, announced, now=0), transport, announced


def trade(number: int, size: int = 100) -> Outgoing:
    return Outgoing(b"x" * size, ("matches:BTC-USD",), (("BTC-USD", number, number),))


def announced_ids(announced: Announced) -> object:
    return announced.report().get("coinbase:BTC-USD", {}).get("ranges")


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_frame_headers_are_those_of_rfc_6455(size: int, header: bytes) -> None:
    assert websocket_frame(b"y" * size) == header + b"y" * size


def test_only_frames_that_the_kernel_has_whole_are_announced() -> None:
    # Each frame is 2 + 100 bytes; the kernel takes two and a half.
    connection, transport, announced = connect(255)

    for number in range(1, 5):
        connection.send(trade(number))
    connection.flush()

    assert announced_ids(announced) == [[1, 2]]
    assert connection.frames_written == 2
    transport.let_through(60)
    connection.flush()
    assert announced_ids(announced) == [[1, 3]]


def test_a_broken_connection_announces_nothing_of_what_it_held() -> None:
    connection, transport, announced = connect(255)
    frames = [trade(number) for number in range(1, 7)]
    for outgoing in frames[:4]:
        connection.send(outgoing)
    connection.flush()
    for outgoing in frames[4:]:
        connection.send(outgoing)

    transport.abort()
    connection.flush()
    connection.release()

    assert announced_ids(announced) == [[1, 2]]
    assert [outgoing.written for outgoing in frames] == [True, True, False, False, False, False]
    assert all(outgoing.holders == 0 for outgoing in frames)


def test_nothing_new_is_handed_over_while_the_kernel_is_full() -> None:
    connection, transport, _ = connect(0)
    connection.send(trade(1))
    connection.flush()
    connection.send(trade(2))
    connection.flush()

    assert len(transport.waiting) == 102
    assert connection.backlog == 204


def test_a_client_that_reads_nothing_becomes_slow() -> None:
    connection, _, _ = connect(0)
    connection.send(trade(0))
    connection.flush()
    for number in range(1, 10):
        assert not connection.is_slow
        connection.send(trade(number, MAX_QUEUED_BYTES // 9))

    assert connection.is_slow


def test_more_messages_than_the_venue_allows_are_noticed() -> None:
    connection, _, _ = connect(0)

    verdicts = [connection.received_too_much(5_000_000_000) for _ in range(101)]

    assert verdicts == [False] * 100 + [True]
    assert not connection.received_too_much(6_000_000_000)
