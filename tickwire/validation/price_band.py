"""A robust band around a symbol's recent prices, which marks a price that does not belong there.

A price p is an anomaly when ``|p - M| > max(k * 1.4826 * MAD, f * M)``, where M is the median of the
symbol's last K prices and MAD the median of their distances from M. 1.4826 * MAD estimates a
standard deviation that outliers cannot stretch (Iglewicz and Hoaglin, How to Detect and Handle
Outliers, 1993). The second term keeps a market at rest, whose MAD is one tick or nothing, from
flagging its next ordinary move; it is the granularity of the trade filter of Brownlees and Gallo
(Financial econometric analysis at ultra-high frequency, CSDA 51, 2006).

Every price enters the band, flagged or not, so after a real jump the median follows within K/2
prices and the flags end. The band is computed anew every K prices, and for each price that lies outside it: so
a flag is always true of the K prices before it, and few prices pay for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tickwire.columns import Int64


@dataclass(frozen=True, slots=True)
class BandSettings:
    """Width and memory of the band.

    Attributes
    ----------
    prices : K, how many recent prices make the band
    warm_up : below this many prices nothing is an anomaly
    sigmas : k, half the width in robust standard deviations
    floor_ppm : f, the least half width, in millionths of the median
    """

    prices: int = 64
    warm_up: int = 32
    sigmas: int = 10
    floor_ppm: int = 5_000

    def numbers(self) -> Int64:
        """Give what the kernel needs besides the ring: warm-up, sigmas, floor."""
        return np.array([self.warm_up, self.sigmas, self.floor_ppm], np.int64)


class PriceBand:
    """The recent prices of one symbol and the band around them, all in units of its price scale.

    They lie in arrays, which :meth:`bind` moves into a table of many symbols: ``numbers`` int64 (4,) with the
    prices seen, those since the band was last computed in its turn (``fresh``), and both ends of the band (``low`` and
    ``high``, inside; ``high`` 0 means that there is none yet); ``ring`` int64 (K,), where the n-th price, counted
    from 0, lies at n % K.
    """

    __slots__ = ("_numbers", "_ring")

    def __init__(
        self, recent: Sequence[int] = (), fresh: int = 0, low: int = 0, high: int = 0, *, prices: int = 64
    ) -> None:
        kept = recent[-prices:]
        self._ring = np.zeros(prices, np.int64)
        self._ring[: len(kept)] = kept
        self._numbers = np.array([len(kept), fresh, low, high], np.int64)

    @property
    def recent(self) -> list[int]:
        """The last K prices, oldest first."""
        seen, ring = int(self._numbers[0]), self._ring.tolist()
        place = seen % len(ring)
        return ring[place:] + ring[:place] if seen >= len(ring) else ring[:seen]

    @property
    def fresh(self) -> int:
        """Prices since the band was last computed in its turn."""
        return int(self._numbers[1])

    @property
    def low(self) -> int:
        """The lower end of the band."""
        return int(self._numbers[2])

    @property
    def high(self) -> int:
        """The upper end of the band; 0 where there is none yet."""
        return int(self._numbers[3])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PriceBand):
            return NotImplemented
        return (self.recent, self.fresh, self.low, self.high) == (other.recent, other.fresh, other.low, other.high)

    __hash__ = None  # type: ignore[assignment]  # it changes with every price

    def bind(self, numbers: Int64, ring: Int64) -> None:
        """Keep everything from now on in these arrays, which get its values; the ring may be of another length."""
        recent = self.recent[-len(ring) :]
        numbers[:] = len(recent), self.fresh, self.low, self.high
        ring[: len(recent)] = recent
        self._numbers, self._ring = numbers, ring

    def clear(self) -> None:
        """Forget every price."""
        self._numbers[:] = 0

    def observe(self, price: int, settings: BandSettings) -> bool:
        """Take in the next price and say whether it is an anomaly."""
        from tickwire.validation.price_band_kernel import observe_price

        if len(self._ring) != settings.prices:
            self.bind(np.zeros(4, np.int64), np.zeros(settings.prices, np.int64))
        return bool(observe_price(self._numbers, self._ring, price, settings.numbers()))
