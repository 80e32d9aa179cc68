"""Counts for ``/stats``, by venue and symbol."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class SymbolStats:
    """What was done for one symbol.

    ``requests`` counts those sent for its fills, tail checks and windows, ``minutes`` the candles kept,
    ``retries`` fills that left ids unresolved or failed, ``budget_waits`` requests that had to wait for
    their venue's limit.
    ``filled_seconds`` are from first seen missing to seen filled, the last and the longest.
    """

    requests: int = 0
    trades: int = 0
    absent: int = 0
    unreadable: int = 0
    retries: int = 0
    rate_limited: int = 0
    budget_waits: int = 0
    budget_wait_seconds: float = 0.0
    tail_checks: int = 0
    heartbeats: int = 0
    minutes: int = 0
    filled: int = 0
    filled_seconds_last: float | None = None
    filled_seconds_max: float | None = None
    last_reason: str = ""
    """Why ids stayed unresolved, last time."""

    def closed(self, ids: int, seconds: float) -> None:
        """Count ids that were sent on and are no longer missing, ``seconds`` after they were first seen."""
        self.filled += ids
        self.filled_seconds_last = round(seconds, 3)
        self.filled_seconds_max = max(self.filled_seconds_max or 0.0, self.filled_seconds_last)

    def as_json(self, *, last_id: int, missing: int, fills: int) -> dict[str, Any]:
        """Give the counts, with the validator's newest id, the ids missing now and the fills under way."""
        return {"last_id": last_id, "missing": missing, "fills": fills, **asdict(self)}


@dataclass(slots=True)
class VenueStats:
    """How often one venue as a whole gave nothing, and the counts of its symbols."""

    unavailable: int = 0
    refused: int = 0
    rate_limited: int = 0
    symbols: dict[str, SymbolStats] = field(default_factory=dict)

    def of(self, symbol: str) -> SymbolStats:
        """Give a symbol's counts."""
        return self.symbols.setdefault(symbol, SymbolStats())

    def as_json(self) -> dict[str, Any]:
        """Give the venue's own counts."""
        return {"unavailable": self.unavailable, "refused": self.refused, "rate_limited": self.rate_limited}
