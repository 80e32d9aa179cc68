"""A tiny feed, an exchange on loopback and a stand-in for Kinesis, all of which tests steer."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import Server, ServerConnection, serve

from ecs_tasks.ingestor.publisher import Payload
from ecs_tasks.ingestor.settings import FeedSettings, IngestorSettings
from tickwire.columns import Side
from tickwire.envelope import decode
from tickwire.records import Heartbeat, Record
from tickwire.symbols import instrument
from tickwire.venues.feed import Feed, FrameReject, Liveness, ParsedFrames, RejectReason, VenueStatus

VENUE = "tiny"


class TinyFeed(Feed):
    """Frames are words: ``T BTC-USD 7`` a trade, ``Q BTC-USD 7`` a quote, ``H BTC-USD 7`` a heartbeat,
    ``S text`` a status, ``BYE`` a wish to reconnect, ``BOOM`` a fault of the parser, ``R text`` a reply that
    the parser wants sent."""

    name = "tiny"
    venue = VENUE
    default_url = "ws://127.0.0.1:1"
    liveness = Liveness(silence_seconds=30, stream_silence_seconds=30)

    def __init__(self) -> None:
        self.reconnections = 0

    def parse(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        out.frames += 1
        words = frame.decode(errors="replace").split(" ")
        match words:
            case ["T", symbol, number]:
                out.trades.append(
                    instrument(VENUE, symbol),
                    trade_id=int(number),
                    price=100 + int(number),
                    size=1,
                    side=Side.BUY,
                    exchange_time=receive_time,
                    receive_time=receive_time,
                )
            case ["Q", symbol, number]:
                out.quotes.append(
                    instrument(VENUE, symbol),
                    bid_price=int(number),
                    bid_size=1,
                    ask_price=int(number) + 1,
                    ask_size=1,
                    update_id=int(number),
                    exchange_time=receive_time,
                    receive_time=receive_time,
                )
            case ["H", symbol, number]:
                out.heartbeats.append(Heartbeat(VENUE, symbol, int(number), receive_time, receive_time))
            case ["S", *text]:
                out.statuses.append(VenueStatus(" ".join(text)))
            case ["R", *text]:
                out.replies.append(" ".join(text).encode())
            case ["BYE"]:
                out.statuses.append(VenueStatus("going down", reconnect=True))
            case ["BOOM"]:
                raise RuntimeError("a fault of the parser")
            case ["D", *name]:
                out.drift[" ".join(name)] += 1
            case ["I", name]:
                out.ignored[name] += 1
            case _:
                out.rejects.append(FrameReject(RejectReason.NOT_JSON, "not words", frame, receive_time))

    def reconnected(self) -> None:
        self.reconnections += 1

    def connect_path(self, symbols: Sequence[str]) -> str:
        return "/tiny?" + "/".join(symbols)

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        return [b"subscribe " + " ".join(symbols).encode()]


def with_liveness(**changes: object) -> Callable[[str], TinyFeed]:
    """Give a maker of feeds with some of the liveness changed."""

    def new(_: str) -> TinyFeed:
        feed = TinyFeed()
        feed.liveness = replace(TinyFeed.liveness, **changes)  # type: ignore[arg-type]
        return feed

    return new


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until a condition holds, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come to pass in time"
        await asyncio.sleep(0.005)


Script = Callable[[ServerConnection], Awaitable[None]]


@dataclass
class FakeExchange:
    """Serves a script to each connection, in turn; the last script serves all further ones."""

    scripts: list[Script] = field(default_factory=list)
    connections: int = 0
    paths: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)
    server: Server | None = None
    scheme: str = "ws"

    async def serve(self, connection: ServerConnection) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        assert connection.request is not None
        self.paths.append(connection.request.path)
        await script(connection)

    async def say(self, connection: ServerConnection, *frames: str | bytes) -> None:
        for frame in frames:
            await connection.send(frame)

    async def listen(self, connection: ServerConnection) -> None:
        """Take in what the client sends until it goes."""
        async for message in connection:
            self.received.append(message if isinstance(message, str) else message.decode())

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"{self.scheme}://127.0.0.1:{next(iter(self.server.sockets)).getsockname()[1]}"


@contextlib.asynccontextmanager
async def serving(fake: FakeExchange, *, context: ssl.SSLContext | None = None) -> AsyncIterator[FakeExchange]:
    # A small write buffer, so that back-pressure shows soon; no pings of its own.
    async with serve(
        fake.serve, "127.0.0.1", 0, compression=None, ping_interval=None, write_limit=4096, ssl=context
    ) as server:
        fake.server = server
        yield fake


@pytest.fixture
async def exchange() -> AsyncIterator[FakeExchange]:
    async with serving(FakeExchange()) as fake:
        yield fake


@pytest.fixture(params=["ws", "wss"])
async def any_exchange(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FakeExchange]:
    """The exchange, and once more behind TLS with a certificate that only this process trusts."""
    context = None
    if request.param == "wss":
        certificate = self_signed(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    async with serving(FakeExchange(scheme=request.param), context=context) as fake:
        yield fake


def self_signed(folder: Path) -> Path:
    """Write a key and its certificate for 127.0.0.1 into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "exchange.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@dataclass
class FakeStream:
    """Stands in for Kinesis: keeps what it accepts; ``verdict`` decides per payload."""

    records: list[Record] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    calls: list[list[int]] = field(default_factory=list)
    verdict: Callable[[Payload], str | None] = lambda payload: None
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    async def put(self, payloads: Sequence[Payload]) -> list[str | None]:
        self.calls.append([payload.partition for payload in payloads])
        await self.open.wait()
        await asyncio.sleep(0)
        codes = []
        for payload in payloads:
            code = self.verdict(payload)
            if code is None:
                self.records.append(decode(payload.data))
                self.sizes.append(len(payload.data))
            codes.append(code)
        return codes

    def trade_ids(self, symbol: str) -> list[int]:
        """Give the ids of a symbol's trades in the order of acceptance."""
        ids: list[int] = []
        for record in self.records:
            for row, number in zip(record.trades.instrument.tolist(), record.trades.trade_id.tolist(), strict=True):
                if record.trades.instruments[row].symbol == symbol:
                    ids.append(number)
        return ids

    def notices(self) -> Counter[tuple[str, str]]:
        """Give how often each (kind, text) was said."""
        counts: Counter[tuple[str, str]] = Counter()
        for record in self.records:
            for notice in record.notices:
                counts[notice.kind, notice.text] += notice.count
        return counts


@pytest.fixture
def stream() -> FakeStream:
    return FakeStream()


def settings_for(url: str, *, symbols: Sequence[str] = ("BTC-USD",), **changes: object) -> IngestorSettings:
    """Give the settings of a task with one connection of the tiny feed."""
    entry = FeedSettings.model_construct(feed="tiny", symbols=tuple(symbols), url=url)
    values: dict[str, object] = {
        "feeds": (entry,),
        "raw_stream": "raw",
        "frames_dlq_url": "queue",
        "partitions": 4,
        "flush_milliseconds": 5.0,
        "health_host": "127.0.0.1",
        "health_port": 0,
        "max_pending_trades": 500_000,
        "max_pending_frame_bytes": 64 * 1024 * 1024,
        "quotes_per_second": 10.0,
        "put_concurrency": 8,
        "drain_seconds": 10.0,
        "log_level": "INFO",
    }
    return IngestorSettings.model_construct(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture
def tiny() -> "Tiny":
    return Tiny()


class Tiny:
    """The names of this file for tests, which cannot import it."""

    Feed = TinyFeed
    with_liveness = staticmethod(with_liveness)
    eventually = staticmethod(eventually)
    settings_for = staticmethod(settings_for)
