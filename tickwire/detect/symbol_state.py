"""What the detector of anomalies remembers of a symbol."""

from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from tickwire.detect.usual import Window

Key: TypeAlias = tuple[str, str]
"""(venue, symbol)"""


class Minute(msgspec.Struct, frozen=True, array_like=True):
    """The minute that is not over: its start in ns UTC, its close so far in quote currency, its trades so far."""

    start: int
    close: float
    trades: int


@dataclass(slots=True, kw_only=True)
class SymbolState:
    """Of one symbol.

    Attributes
    ----------
    minute : that is not over
    close : of the minute before; 0 where there was none
    returns, counts, spreads : log returns of minutes; ln(1 + trades) of minutes; spreads in basis points
    sampled : when the spread was last looked at, ns UTC
    wide : so many looks one after the other were above the bound
    heard : when a live trade last came, on the clock of what was listened to
    moving, bursting, spread_told, silent : an episode that was told and is not over
    """

    heard: int = 0
    minute: Minute | None = None
    close: float = 0.0
    returns: Window = field(default_factory=Window)
    counts: Window = field(default_factory=Window)
    spreads: Window = field(default_factory=Window)
    sampled: int = 0
    wide: int = 0
    moving: bool = False
    bursting: bool = False
    spread_told: bool = False
    silent: bool = False


class PackedSymbol(msgspec.Struct, array_like=True):
    """One symbol's bytes; ``flags`` are its four episodes, a bit each."""

    venue: str
    symbol: str
    heard: int
    minute: Minute | None
    close: float
    returns: bytes
    counts: bytes
    spreads: bytes
    sampled: int
    wide: int
    flags: int


def pack(key: Key, state: SymbolState) -> PackedSymbol:
    """Give what :func:`unpack` reads."""
    flags = state.moving | state.bursting << 1 | state.spread_told << 2 | state.silent << 3
    return PackedSymbol(
        *key,
        state.heard,
        state.minute,
        state.close,
        state.returns.dump(),
        state.counts.dump(),
        state.spreads.dump(),
        state.sampled,
        state.wide,
        flags,
    )


def unpack(packed: PackedSymbol) -> tuple[Key, SymbolState]:
    """Give a symbol and its state.

    Raises
    ------
    ValueError
        If a window's bytes are cut.
    """
    state = SymbolState(
        heard=packed.heard,
        minute=packed.minute,
        close=packed.close,
        returns=Window(packed.returns),
        counts=Window(packed.counts),
        spreads=Window(packed.spreads),
        sampled=packed.sampled,
        wide=packed.wide,
        moving=bool(packed.flags & 1),
        bursting=bool(packed.flags & 2),
        spread_told=bool(packed.flags & 4),
        silent=bool(packed.flags & 8),
    )
    return (packed.venue, packed.symbol), state
