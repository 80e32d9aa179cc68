"""What a fault order says, as JSON, and whether it makes sense."""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from tickwire.errors import TickwireError

MAX_ORDERS = 64


class FaultKind(StrEnum):
    """Each kind; the classes in this package say what it does."""

    DUPLICATE = "duplicate"
    REORDER = "reorder"
    HOLE = "hole"
    GARBAGE = "garbage"
    DISCONNECT = "disconnect"
    HALF_OPEN = "half_open"
    SILENT_STREAM = "silent_stream"
    CLOCK_JUMP = "clock_jump"
    REST_OUTAGE = "rest_outage"
    REST_THROTTLE = "rest_throttle"
    MAINTENANCE = "maintenance"
    SERVER_SHUTDOWN = "server_shutdown"


class FaultRefused(TickwireError, ValueError):
    """An order that cannot be carried out, and why."""


Seconds = Annotated[float, msgspec.Meta(ge=0, le=3_600)]


class FaultOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault to make.

    Attributes
    ----------
    kind : what goes wrong
    feed : where (``binance``, ``coinbase-advanced``); everywhere that it applies where left out
    symbol : canonical (``BTC-USD``); every symbol of the feed where left out
    after : seconds to wait, counted from the order, or from the first subscription if nobody has
        subscribed yet
    seconds, count : the fault ends after so long, or after so many trades, frames, cuts or
        requests (see each kind), whichever comes first; the kind's default time where neither is given
    share : of the frames or requests concerned that are hit, by chance
    delay : most seconds by which a frame is late (duplicate, reorder)
    offset : seconds by which the venue's clock is ahead; negative for behind (clock_jump)
    venue_outage : the trades of the hole exist nowhere, while their ids are used up (hole)
    replace : damaged frames come in the place of the whole ones, not beside them (garbage)
    mode : disconnect: ``abort`` (a reset) or ``close`` (code 1001); rest_outage: ``error`` (the
        venue's answer) or ``abort`` (the connection breaks)
    refuse : seconds for which new connections are refused after a cut (disconnect)
    retry_after : seconds that the venue asks clients to wait (rest_throttle)
    seed : of the fault's chance; the exchange's own where left out
    """

    kind: FaultKind
    feed: str | None = None
    symbol: str | None = None
    after: Seconds = 0.0
    seconds: Annotated[float, msgspec.Meta(gt=0, le=3_600)] | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    delay: Annotated[float, msgspec.Meta(ge=0, le=60)] = 2.0
    offset: Annotated[float, msgspec.Meta(ge=-86_400, le=86_400)] = 60.0
    venue_outage: bool = False
    replace: bool = False
    mode: Literal["", "abort", "close", "error"] = ""
    refuse: Seconds = 0.0
    retry_after: Annotated[float, msgspec.Meta(gt=0, le=3_600)] | None = None
    seed: int | None = None


_EVERY = {"kind", "feed", "after", "seconds", "seed"}
_FIELDS: dict[FaultKind, set[str]] = {
    FaultKind.DUPLICATE: {"symbol", "count", "share", "delay"},
    FaultKind.REORDER: {"symbol", "count", "share", "delay"},
    FaultKind.HOLE: {"symbol", "count", "share", "venue_outage"},
    FaultKind.GARBAGE: {"symbol", "count", "share", "replace"},
    FaultKind.DISCONNECT: {"count", "mode", "refuse"},
    FaultKind.HALF_OPEN: {"count"},
    FaultKind.SILENT_STREAM: {"symbol"},
    FaultKind.CLOCK_JUMP: {"symbol", "offset"},
    FaultKind.REST_OUTAGE: {"count", "share", "mode"},
    FaultKind.REST_THROTTLE: {"count", "share", "retry_after"},
    FaultKind.MAINTENANCE: set(),
    FaultKind.SERVER_SHUTDOWN: set(),
}
_MODES = {FaultKind.DISCONNECT: ("", "abort", "close"), FaultKind.REST_OUTAGE: ("", "error", "abort")}


def read_orders(text: str | bytes) -> list[FaultOrder]:
    """Read one order, or a list of them.

    Raises
    ------
    FaultRefused
        If it is no JSON of that shape, or a field has no meaning for its kind.
    """
    try:
        value = msgspec.json.decode(text)
        orders = msgspec.convert(value if isinstance(value, list) else [value], list[FaultOrder])
    except msgspec.DecodeError as error:
        raise FaultRefused(f"no fault order: {error}") from error
    if not 1 <= len(orders) <= MAX_ORDERS:
        raise FaultRefused(f"want 1 to {MAX_ORDERS} fault orders, not {len(orders)}")
    for order in orders:
        _check(order)
    return orders


def as_given(order: FaultOrder) -> dict[str, object]:
    """Give the fields that an order sets."""
    fields: dict[str, object] = msgspec.to_builtins(order)
    return fields


def _check(order: FaultOrder) -> None:
    useless = sorted(set(as_given(order)) - _EVERY - _FIELDS[order.kind])
    if useless:
        raise FaultRefused(f"{order.kind} has no {', '.join(useless)}")
    if order.mode not in _MODES.get(order.kind, ("",)):
        raise FaultRefused(f"{order.kind} has no mode {order.mode}")
    if order.kind is FaultKind.SILENT_STREAM and order.symbol is None:
        raise FaultRefused("silent_stream needs a symbol: its siblings go on")
    if order.kind is FaultKind.DISCONNECT and order.count is not None and order.count > 1 and order.seconds is None:
        raise FaultRefused("disconnect needs seconds over which to spread several cuts")
    if order.venue_outage and order.share != 1.0:
        raise FaultRefused("a hole with venue_outage has no share: all ids are lost")
