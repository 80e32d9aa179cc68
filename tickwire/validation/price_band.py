"""A robust band around a symbol's recent prices, which marks a price that does not belong there.

A price p is an anomaly when ``|p - M| > max(k * 1.4826 * MAD, f * M)``, where M is the median of the
symbol's last K prices and MAD the median of their distances from M. 1.4826 * MAD estimates a
standard deviation that outliers cannot stretch (Iglewicz and Hoaglin, How to Detect and Handle
Outliers, 1993). The second term keeps a market at rest, whose MAD is one tick or nothing, from
flagging its next ordinary move; it is the granularity of the trade filter of Brownlees and Gallo
(Financial econometric analysis at ultra-high frequency, CSDA 51, 2006).

Every price enters the band, flagged or not, so after a real jump the median follows within K/2
prices and the flags end.
"""

from dataclasses import dataclass, field

from tickwire.decimals import INT64_MAX

_SIGMA_PER_MAD = 14_826
"""In units of 10**-4."""
_REFRESH = 16
"""The band is computed anew after so many prices: exact enough, and 1/16 of the sorting."""


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


@dataclass(slots=True)
class PriceBand:
    """The recent prices of one symbol and the band around them, all in units of its price scale."""

    recent: list[int] = field(default_factory=list)
    fresh: int = 0
    """Prices since the band was computed."""
    low: int = 0
    high: int = 0
    """The band, both ends inside; ``high`` 0 means that there is none yet."""

    def observe(self, price: int, settings: BandSettings) -> bool:
        """Take in the next price and say whether it is an anomaly."""
        anomaly = self.high > 0 and not self.low <= price <= self.high
        recent = self.recent
        recent.append(price)
        if len(recent) > settings.prices:
            del recent[0]
        self.fresh += 1
        if self.fresh >= _REFRESH and len(recent) >= settings.warm_up:
            self.fresh = 0
            self.low, self.high = _band(recent, settings)
        return anomaly


def _band(prices: list[int], settings: BandSettings) -> tuple[int, int]:
    # The upper median, so that all is integers and the same on every machine.
    middle = len(prices) // 2
    median = sorted(prices)[middle]
    mad = sorted(abs(price - median) for price in prices)[middle]
    radius = max(settings.sigmas * _SIGMA_PER_MAD * mad // 10_000, median * settings.floor_ppm // 1_000_000)
    return max(0, median - radius), min(INT64_MAX, median + radius)
