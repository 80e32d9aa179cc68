"""``python -m local.exchange.record FEED SYMBOL …``: write what a venue sends, a frame a line, for a capture.

It connects and subscribes as the venue's feed says and parses nothing, so it works before there is
a parser. The lines, ``<receive ns> <frame>``, are a capture that ``tickwire normalize`` and
``python -m local.exchange --source replay`` read.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Callable

import aiohttp

from tickwire.errors import TickwireError
from tickwire.venues.discovery import TEMPLATE, declared, load
from tickwire.venues.feed import MAX_FRAME_BYTES, Feed


def main(arguments: list[str] | None = None) -> int:
    """Record until the seconds are over or the venue hangs up; give the exit status."""
    feeds = declared("FEEDS") | declared("FEEDS", [TEMPLATE])
    parser = argparse.ArgumentParser(prog="python -m local.exchange.record", description=__doc__)
    parser.add_argument("feed", choices=list(feeds))
    parser.add_argument("symbols", nargs="+", metavar="SYMBOL", help="canonical, such as BTC-USDT")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long (default: %(default)s)")
    parser.add_argument("--url", help="scheme, host and path prefix, where they are not the venue's own")
    options = parser.parse_args(arguments)
    feed: Feed = load(feeds[options.feed])()
    try:
        frames = asyncio.run(
            record(feed, options.symbols, url=options.url, seconds=options.seconds, write=sys.stdout.buffer.write)
        )
    except (aiohttp.ClientError, TickwireError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        sys.stdout.flush()
    print(f"{frames} frames", file=sys.stderr)
    return 0


async def record(
    feed: Feed, symbols: list[str], *, url: str | None, seconds: float, write: Callable[[bytes], object]
) -> int:
    """Hand the lines of a session to ``write``; give the number of frames.

    Raises
    ------
    aiohttp.ClientError, UnknownSymbol
        If the venue cannot be reached, or a symbol is not canonical.
    """
    address = (url or feed.default_url) + feed.connect_path(symbols)
    requests = feed.subscribe(symbols)
    frames = 0
    async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=MAX_FRAME_BYTES) as socket:
        for request in requests:
            await socket.send_str(request.decode())
        pings = asyncio.create_task(_ping(feed, socket))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    async for message in socket:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            # A line is a frame, and JSON has no raw line breaks but between its tokens.
                            write(b"%d %s\n" % (time.time_ns(), message.data.replace("\n", " ").encode()))
                            frames += 1
        finally:
            pings.cancel()
    return frames


async def _ping(feed: Feed, socket: aiohttp.ClientWebSocketResponse) -> None:
    payload = feed.liveness.ping_payload
    while payload is not None:
        await socket.send_str(payload.decode())
        await asyncio.sleep(feed.liveness.ping_seconds)


if __name__ == "__main__":
    sys.exit(main())
