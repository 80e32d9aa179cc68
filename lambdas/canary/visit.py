"""One visit: connect, subscribe to trades, wait for one that has just been made, as a screen would."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import aiohttp
import msgspec

from tickwire.errors import TickwireError

CONNECT_SECONDS = 10.0
"""A cold start of the authorizer and of the WebSocket function lies in it."""

UPDATE_SECONDS = 20.0
"""The busiest symbol of each feed is watched: between them there is always a trade in less."""

_MILLISECOND = 1_000_000
# Names of TradeFlag: what came late to begin with tells nothing of how fast we are.
_LATE = frozenset({"snapshot", "backfill", "redriven"})


class Step(StrEnum):
    """How far a visit can get."""

    CONNECT = "connect"
    UPDATE = "update"


class VisitFailed(TickwireError):
    """A client would have seen nothing; ``step`` is the one that failed."""

    def __init__(self, step: Step, reason: str) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visit measured, in ms.

    Attributes
    ----------
    connect : until the connection stood
    update : from there until an update with a live trade came
    latency : of that trade, from its receipt by the ingestor to here; both have AWS' clock
    """

    connect: float
    update: float
    latency: float


class _Trade(msgspec.Struct, frozen=True):
    receive: int
    flags: tuple[str, ...]


class _Item(msgspec.Struct, frozen=True):
    data: tuple[_Trade, ...]


class _Message(msgspec.Struct, frozen=True):
    type: str
    items: tuple[_Item, ...] = ()
    message: str = ""


_decode = msgspec.json.Decoder(_Message).decode


async def visit(
    url: str,
    *,
    symbols: Sequence[str],
    connect_seconds: float = CONNECT_SECONDS,
    update_seconds: float = UPDATE_SECONDS,
    clock: Callable[[], int] = time.time_ns,
) -> Visit:
    """Visit the WebSocket API at ``url``; ``symbols`` are as on the wire, ``binance:BTC-USDT``.

    Raises
    ------
    VisitFailed
        If the connection or the update did not come in time, or the answer was no.
    """
    began = clock()
    async with aiohttp.ClientSession() as session:
        try:
            async with asyncio.timeout(connect_seconds):
                socket = await session.ws_connect(url)
        except (aiohttp.ClientError, OSError) as error:
            # A timeout is an OSError too, and says nothing of itself.
            raise VisitFailed(Step.CONNECT, str(error) or type(error).__name__) from error
        connected = clock()
        async with socket:
            try:
                async with asyncio.timeout(update_seconds):
                    received = await _first_live_trade(socket, symbols)
            except (aiohttp.ClientError, OSError, msgspec.MsgspecError) as error:
                raise VisitFailed(Step.UPDATE, str(error) or type(error).__name__) from error
            updated = clock()
    return Visit(
        (connected - began) / _MILLISECOND, (updated - connected) / _MILLISECOND, (updated - received) / _MILLISECOND
    )


async def _first_live_trade(socket: aiohttp.ClientWebSocketResponse, symbols: Sequence[str]) -> int:
    """Give the newest receive time, ns UTC, in the first update with a live trade."""
    request = {"action": "subscribe", "topics": ["trades"], "symbols": list(symbols)}
    await socket.send_str(msgspec.json.encode(request).decode())
    async for frame in socket:
        if frame.type is not aiohttp.WSMsgType.TEXT:
            continue
        message = _decode(frame.data)
        if message.type == "error":
            raise VisitFailed(Step.UPDATE, message.message)
        if message.type == "update":
            trades = (trade for item in message.items for trade in item.data)
            live = [trade.receive for trade in trades if _LATE.isdisjoint(trade.flags)]
            if live:
                return max(live)
    raise VisitFailed(Step.UPDATE, f"the server closed the connection ({socket.close_code})")
