"""One venue's limit on requests from one address, as a single number that tasks can share."""

from dataclasses import dataclass

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RateRules:
    """How much may be asked of a venue.

    Attributes
    ----------
    burst : weight that may be spent at once after a rest
    per_second : weight that comes back each second
    window_weight : ceiling of the venue's own count, which it tells in its replies; None where it
        tells none. In any ``window_seconds`` at most ``burst + per_second * window_seconds`` is
        spent, which must not exceed it.
    window_seconds : length of the window of that count, which starts at whole multiples of it
    """

    burst: int
    per_second: int
    window_weight: int | None = None
    window_seconds: int = 60


class RateBudget:
    """A token bucket whose whole state is the time at which it will be full again.

    That one integer can be kept in a shared store and changed there by compare-and-set, so that
    all tasks behind one address spend from one budget (the "generic cell rate algorithm" of ATM
    networks, ITU-T I.371). Times are ns of any clock that all of them share.
    """

    __slots__ = ("_weight_ns", "full_at", "rules")

    full_at: int
    """ns: when the bucket is full again; in the past for one at rest."""

    def __init__(self, rules: RateRules, *, full_at: int = 0) -> None:
        self.rules = rules
        self.full_at = full_at
        # Rounded up, so that rounding never spends more than the rules allow.
        self._weight_ns = -(-SECOND // rules.per_second)

    def reserve(self, now: int, weight: int) -> float:
        """Take ``weight`` and give the seconds to wait before the request may be sent.

        What is not there yet is taken in advance, so those who ask later wait longer: requests go
        out in the order in which they were reserved.
        """
        self.full_at = max(self.full_at, now) + weight * self._weight_ns
        return max(self.full_at - self.rules.burst * self._weight_ns - now, 0) / SECOND

    def block(self, now: int, seconds: float) -> None:
        """Send nothing for so long, as the venue asked (429, 418, a throttle), and start empty after it."""
        self._empty_until(now + round(seconds * SECOND))

    def observe(self, now: int, used: int) -> None:
        """Take note of the weight that the venue says was used in its current window.

        Others may send from the same address: the budget never believes to have more left than the
        venue does, and with nothing left it waits for the next window.
        """
        ceiling = self.rules.window_weight
        if ceiling is None:
            return
        left = ceiling - used
        if left > 0:
            self.full_at = max(self.full_at, now + (self.rules.burst - left) * self._weight_ns)
        else:
            window = self.rules.window_seconds * SECOND
            self._empty_until((now // window + 1) * window)

    def _empty_until(self, moment: int) -> None:
        self.full_at = max(self.full_at, moment + self.rules.burst * self._weight_ns)
