"""Captures played back over real sockets: byte for byte, in order, each frame once."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from local.exchange.floor import steady_clock
from local.exchange.replay import MAX_SPEED, ReplaySource
from local.exchange.server import Exchange
from tickwire.capture import read_capture
from tickwire.venues.feed import ParsedFrames
from tickwire.venues.registry import new_feed

DEADLINE = 30.0
START = 1_783_465_157_000


@asynccontextmanager
async def replaying(
    *paths: Path, speed: float = MAX_SPEED, subscribers: int = 1, clock: Callable[[], int] | None = None
) -> AsyncIterator[tuple[Exchange, str]]:
    exchange = Exchange(ReplaySource(list(paths), speed=speed, subscribers=subscribers), clock=clock)
    port = await exchange.start()
    try:
        yield exchange, f"ws://127.0.0.1:{port}"
    finally:
        await exchange.close()


def open_socket(url: str) -> connect:
    return connect(url, compression=None, max_size=None)


async def collect(exchange: Exchange, socket: ClientConnection) -> list[bytes]:
    """Receive until the replay has ended and nothing more is under way."""
    frames: list[bytes] = []
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                frames.append(await asyncio.wait_for(socket.recv(decode=False), 0.3))
            except TimeoutError:
                if exchange.failure:
                    pytest.fail(exchange.failure)
                if exchange.finished:
                    return frames


def trade(number: int, *, symbol: str = "btcusdt", milliseconds: int = 0) -> bytes:
    return (
        f'{{"stream":"{symbol}@trade","data":{{"e":"trade","E":{START + milliseconds},"s":"{symbol.upper()}",'
        f'"t":{number},"p":"63551.02000000","q":"0.00317000","T":{START + milliseconds},"m":true,"M":true}}}}'
    ).encode()


def write(path: Path, frames: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(frames) + b"\n")
    return path


def ranges(exchange: Exchange, key: str) -> Any:
    return exchange.floor.announced.report().get(key, {}).get("ranges")


@pytest.mark.parametrize(
    ("name", "key", "trades"),
    [
        ("binance_spot_btcusdt_20240808.gz", "binance:BTC-USDT", 9_757),
        ("binance_spot_ethusdt_20240808.gz", "binance:ETH-USDT", 6_106),
    ],
)
async def test_a_real_capture_arrives_byte_for_byte_in_order(realdata: Path, name: str, key: str, trades: int) -> None:
    path = realdata / "captures" / name
    symbol = key.partition(":")[2]
    feed = new_feed("binance")
    async with replaying(path) as (exchange, url), open_socket(f"{url}/binance{feed.connect_path([symbol])}") as socket:
        frames = await collect(exchange, socket)

        with gzip.open(path) as file:
            recorded = [line.rstrip(b"\n").partition(b" ")[2] for line in file]
        # What the feed subscribes to: trades and best quotes, not depth.
        assert frames == [frame for frame in recorded if b"@trade" in frame or b"@bookTicker" in frame]
        ((first, last),) = ranges(exchange, key)
        assert last - first + 1 == trades


@pytest.mark.parametrize(
    ("name", "feed_name", "symbols"),
    [
        ("coinbase_exchange_20260707.ndjson", "coinbase", ["BTC-USD", "ETH-USD"]),
        ("kraken_v2_20260707.ndjson", "kraken", ["BTC-USD", "ETH-USD"]),
    ],
)
async def test_a_replayed_capture_is_parsed_like_the_file(
    realdata: Path, name: str, feed_name: str, symbols: list[str]
) -> None:
    path = realdata / "captures" / name
    feed = new_feed(feed_name)
    async with (
        replaying(path) as (exchange, url),
        open_socket(f"{url}/{feed_name}{feed.connect_path(symbols)}") as socket,
    ):
        for message in feed.subscribe(symbols):
            await socket.send(message.decode())
        frames = await collect(exchange, socket)

    from_socket, from_file = ParsedFrames(), ParsedFrames()
    for frame in frames:
        feed.parse(frame, 1, from_socket)
    offline = new_feed(feed_name)
    for captured in read_capture(path):
        offline.parse(captured.frame, 1, from_file)
    assert from_socket.rejects == []
    assert from_socket.checksum_failures == 0
    live, file = from_socket.trades.batch(), from_file.trades.batch()
    assert len(live) > 0
    for column in ("trade_id", "price", "size", "side", "exchange_time"):
        assert getattr(live, column).tolist() == getattr(file, column).tolist()
    announced = exchange.floor.announced.trades
    assert announced == len({(row, number) for row, number in zip(live.instrument, live.trade_id, strict=True)})


async def test_only_subscribed_symbols_are_sent(tmp_path: Path) -> None:
    frames = [trade(number, symbol=("btcusdt", "ethusdt")[number % 2]) for number in range(20)]
    path = write(tmp_path / "two.ndjson", frames)

    async with replaying(path) as (exchange, url), open_socket(f"{url}/binance/ws/ethusdt@trade") as socket:
        got = await collect(exchange, socket)

    assert got == frames[1::2]
    assert exchange.source.catalogue() == {"binance": ["BTC-USDT", "ETH-USDT"]}


async def test_damaged_frames_are_sent_as_they_were_received(tmp_path: Path) -> None:
    frames = [trade(1), b'{"stream":"btcusdt@trade","data":{"e":"tra', b"\xff\xfe garbage", trade(2)]
    path = write(tmp_path / "damaged.ndjson", frames)

    async with replaying(path) as (exchange, url), open_socket(f"{url}/binance/ws/btcusdt@trade") as socket:
        got = await collect(exchange, socket)

    assert got == frames


async def test_a_replay_waits_for_its_subscribers_and_both_get_everything(tmp_path: Path) -> None:
    frames = [trade(number) for number in range(500)]
    path = write(tmp_path / "one.ndjson", frames)

    async with (
        replaying(path, subscribers=2) as (exchange, url),
        open_socket(f"{url}/binance/ws/btcusdt@trade") as first,
    ):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(first.recv(), 0.6)
        async with open_socket(f"{url}/binance/ws/btcusdt@trade") as twin:
            both = await asyncio.gather(collect(exchange, first), collect(exchange, twin))

    assert both == [frames, frames]


async def test_the_pace_is_that_of_the_recording_divided_by_the_speed(tmp_path: Path) -> None:
    frames = [trade(number, milliseconds=100 * number) for number in range(21)]
    path = write(tmp_path / "two_seconds.ndjson", frames)
    loop = asyncio.get_running_loop()

    async with replaying(path, speed=4.0) as (_, url), open_socket(f"{url}/binance/ws/btcusdt@trade") as socket:
        arrivals = []
        for _ in frames:
            await asyncio.wait_for(socket.recv(), DEADLINE)
            arrivals.append(loop.time())

    # Two seconds of recording at four times its pace.
    assert 0.45 <= arrivals[-1] - arrivals[0] < 2.0
    assert arrivals[10] - arrivals[0] >= 0.2


async def test_a_replay_pauses_when_its_last_client_leaves_and_goes_on_with_the_next(tmp_path: Path) -> None:
    frames = [trade(number, milliseconds=2 * number) for number in range(1_000)]
    path = write(tmp_path / "long.ndjson", frames)
    async with replaying(path) as (exchange, url):
        async with open_socket(f"{url}/binance/ws/btcusdt@trade") as socket:
            before = [await asyncio.wait_for(socket.recv(decode=False), DEADLINE) for _ in range(10)]
            # Break off without a word, whatever is still under way.
            socket.transport.abort()
        async with open_socket(f"{url}/binance/ws/btcusdt@trade") as socket:
            after = await collect(exchange, socket)

        assert before == frames[:10]
        # Every frame was taken by one of the two sockets, so all are announced, in one range.
        assert ranges(exchange, "binance:BTC-USDT") == [[0, 999]]
        assert after == frames[len(frames) - len(after) :]
        assert exchange.finished


async def test_frames_stuck_in_a_broken_connection_are_played_again(tmp_path: Path) -> None:
    padding = "x" * 50_000
    frames = [trade(number)[:-1] + f',"pad":"{padding}"}}'.encode() for number in range(400)]
    path = write(tmp_path / "large.ndjson", frames)
    async with replaying(path) as (exchange, url):
        async with open_socket(f"{url}/binance/ws/btcusdt@trade") as socket:
            socket.transport.pause_reading()
            # 20 MB do not fit into the buffers of a client that does not read: the replay has to wait.
            async with asyncio.timeout(DEADLINE):
                while not any(one.backlog for one in exchange.floor.connections()):  # noqa: ASYNC110 - a server's state
                    await asyncio.sleep(0.02)
            taken = ranges(exchange, "binance:BTC-USDT")
            socket.transport.abort()
        async with open_socket(f"{url}/binance/ws/btcusdt@trade") as socket:
            after = await collect(exchange, socket)

        (first, last) = taken[0]
        assert (len(taken), first) == (1, 0)
        assert last < 399
        assert after == frames[len(frames) - len(after) :]
        assert len(after) <= 399 - last
        assert ranges(exchange, "binance:BTC-USDT") == [[0, 399]]


async def test_a_client_that_holds_a_replay_up_for_30_s_is_cut(tmp_path: Path) -> None:
    frames = [trade(number)[:-1] + f',"pad":"{"x" * 50_000}"}}'.encode() for number in range(400)]
    path = write(tmp_path / "large.ndjson", frames)
    ahead = [0]
    now = steady_clock()
    async with (
        replaying(path, subscribers=2, clock=lambda: now() + ahead[0]) as (exchange, url),
        open_socket(f"{url}/binance/ws/btcusdt@trade") as stuck,
        open_socket(f"{url}/binance/ws/btcusdt@trade") as reader,
    ):
        stuck.transport.pause_reading()
        got = [await asyncio.wait_for(reader.recv(decode=False), DEADLINE) for _ in range(10)]
        async with asyncio.timeout(DEADLINE):
            while not exchange.floor.cut:
                # Only a client that is behind for the whole time is cut, so a busy machine does no harm.
                ahead[0] += 1_000_000_000
                await asyncio.sleep(0.05)
        got += await collect(exchange, reader)

    assert exchange.floor.cut == {"slow": 1}
    assert got == frames


async def test_stop_ends_a_replay_in_the_middle(tmp_path: Path) -> None:
    frames = [trade(number, milliseconds=1_000 * number) for number in range(1_000)]
    path = write(tmp_path / "slow.ndjson", frames)
    async with replaying(path, speed=1.0) as (exchange, url), open_socket(f"{url}/binance/ws/btcusdt@trade") as socket:
        await asyncio.wait_for(socket.recv(), DEADLINE)
        exchange.source.stop()
        async with asyncio.timeout(DEADLINE):
            await exchange.wait()

    assert exchange.finished
    assert json.loads(json.dumps(exchange.state()))["files"][0]["finished"] is True
