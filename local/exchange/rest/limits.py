"""How much one address may ask, counted as the venues count."""

from collections.abc import Hashable
from typing import TypeVar

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
_MAX_COUNTED = 1_000
"""Addresses counted; beyond that the one first seen is forgotten."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Bucket:
    """Tokens that come back ``per_second``, up to ``burst``, for each of many keys."""

    def __init__(self, *, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, burst
        self._left: dict[Hashable, tuple[float, int]] = {}

    def take(self, key: Hashable, now: int) -> bool:
        """Take a token at ``now`` (ns); False where there is none."""
        left, since = self._left.pop(key, (float(self._burst), now))
        left = min(self._burst, left + (now - since) / SECOND * self._per_second)
        granted = left >= 1.0
        _remember(self._left, key, (left - granted, now))
        return granted


class WindowCount:
    """At most ``limit`` requests in each whole window of ``window`` ns, for each of many keys."""

    def __init__(self, limit: int, window: int) -> None:
        self._limit, self._window = limit, window
        self._taken: dict[Hashable, tuple[int, int]] = {}

    def take(self, key: Hashable, now: int) -> bool:
        """Count a request at ``now`` (ns); False where it is one too many."""
        number, taken = self._taken.get(key, (-1, 0))
        current = now // self._window
        taken = taken + 1 if number == current else 1
        _remember(self._taken, key, (current, taken))
        return taken <= self._limit


class MinuteWeight:
    """Binance's count: weight in whole minutes, 429 for who exceeds it, 418 for who goes on asking."""

    STRIKES = 5
    """Requests after a 429 and within its Retry-After before the address is shut out; Binance does not say."""
    FIRST_BAN = 120
    LAST_BAN = 3 * 86_400
    """Seconds; each further ban is twice as long."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._used: dict[str, tuple[int, int]] = {}
        self._blocked: dict[str, tuple[int, int, int]] = {}
        """By address: until when (ns), the strikes since, and the length of the ban in seconds or 0."""

    def used(self, address: str, now: int) -> int:
        """Give the weight used in the minute of ``now``."""
        minute, used = self._used.get(address, (0, 0))
        return used if minute == now // MINUTE else 0

    def charge(self, address: str, weight: int, now: int) -> int | None:
        """Charge a request; give None, or the status to refuse it with."""
        refused = self.refusal(address, now)
        if refused is not None:
            return refused
        used = self.used(address, now) + weight
        _remember(self._used, address, (now // MINUTE, used))
        if used <= self.limit:
            return None
        self.block(address, (now // MINUTE + 1) * MINUTE)
        return 429

    def block(self, address: str, until: int) -> None:
        """Refuse an address until a moment (ns)."""
        _remember(self._blocked, address, (until, 0, 0))

    def refusal(self, address: str, now: int) -> int | None:
        """Count a request of a blocked address; give the status to refuse it with, or None."""
        until, strikes, ban = self._blocked.get(address, (0, 0, 0))
        if now >= until:
            return None
        strikes += 1
        if strikes >= self.STRIKES:
            ban = min(max(2 * ban, self.FIRST_BAN), self.LAST_BAN)
            until, strikes = now + ban * SECOND, 0
        _remember(self._blocked, address, (until, strikes, ban))
        return 418 if ban else 429

    def wait(self, address: str, now: int) -> int:
        """Give the whole seconds until an address may ask again."""
        return max(0, -(-(self._blocked.get(address, (0, 0, 0))[0] - now) // SECOND))


def _remember(table: dict[Key, Value], key: Key, value: Value) -> None:
    table.pop(key, None)
    if len(table) >= _MAX_COUNTED:
        del table[next(iter(table))]
    table[key] = value
