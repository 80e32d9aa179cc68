"""The one price path of an asset: geometric Brownian motion with stochastic volatility and jumps."""

import math
from random import Random

YEAR_SECONDS = 365.0 * 86_400.0
ANNUAL_VOLATILITY = 0.55
VOLATILITY_HALF_LIFE = 120.0
"""Seconds in which a departure of the log volatility halves."""
VOLATILITY_OF_VOLATILITY = 0.06
"""Standard deviation of the log volatility's noise over one second."""
JUMP_SECONDS = 120.0
"""Mean seconds between two jumps."""
JUMP_SIZE = 0.0008
"""Standard deviation of a jump in log price."""
MIN_STEP = 1_000_000
"""ns: within this the price stands, so that trades of one burst do not each pay for two normals."""


class AssetPrice:
    """An asset's price in US dollars, advanced only forward, at the times that are asked for.

    The path depends on the times asked; a simulation that asks in the same order gets the same path.
    """

    __slots__ = ("_log_price", "_log_volatility", "_random", "_sigma", "_time", "value")

    def __init__(self, random: Random, start_price: float, *, start: int) -> None:
        self._random = random
        self._log_price = math.log(start_price)
        self._log_volatility = 0.0
        self._sigma = ANNUAL_VOLATILITY / math.sqrt(YEAR_SECONDS)
        self._time = start
        self.value = start_price

    def at(self, time: int) -> float:
        """Give the price in US dollars at ``time`` (ns UTC), or the newest where that is later."""
        if time - self._time < MIN_STEP:
            return self.value
        seconds = (time - self._time) / 1e9
        self._time = time
        random = self._random
        decay = math.exp(-seconds * math.log(2.0) / VOLATILITY_HALF_LIFE)
        noise = VOLATILITY_OF_VOLATILITY * math.sqrt(min(seconds, VOLATILITY_HALF_LIFE))
        self._log_volatility = self._log_volatility * decay + noise * random.gauss(0.0, 1.0)
        volatility = self._sigma * math.exp(self._log_volatility)
        # The drift term keeps the expected price constant (Itô's correction).
        self._log_price += -0.5 * volatility**2 * seconds + volatility * math.sqrt(seconds) * random.gauss(0.0, 1.0)
        if random.random() < seconds / JUMP_SECONDS:
            self._log_price += random.gauss(0.0, JUMP_SIZE)
        self.value = math.exp(self._log_price)
        return self.value

    def nudge(self, log_return: float) -> None:
        """Move the price by what a trade's size says (its market impact)."""
        self._log_price += log_return
        self.value = math.exp(self._log_price)
