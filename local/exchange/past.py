"""The day before a simulated market opened, as minutes: what the venues' candles tell of it.

A simulation has trades only from its start on, and a real exchange has a past. Nobody can ask for these minutes'
trades, as nobody can for those of a venue that keeps only its newest.
"""

import math
from random import Random

from local.exchange.candle import SECOND, Candle
from local.exchange.prices import ANNUAL_VOLATILITY, VOLATILITY_HALF_LIFE, VOLATILITY_OF_VOLATILITY, YEAR_SECONDS

MINUTES = 1_500
"""A day, and an hour more, since who asks may be late."""

_STEPS = 6
"""Prices drawn a minute, for its high and low."""
_MEAN_TRADE_USD = 3_000.0


def price_path(random: Random) -> list[list[float]]:
    """Draw an asset's log prices of each minute, oldest first, relative to the last: ``MINUTES`` lists of 7 each.

    The first of a minute is the last of the one before. Volatility is as that of the live path, without its jumps.
    """
    seconds = 60.0 / _STEPS
    sigma = ANNUAL_VOLATILITY / math.sqrt(YEAR_SECONDS) * math.sqrt(seconds)
    decay = math.exp(-seconds * math.log(2.0) / VOLATILITY_HALF_LIFE)
    noise = VOLATILITY_OF_VOLATILITY * math.sqrt(seconds)
    price = volatility = 0.0
    path = []
    for _ in range(MINUTES):
        minute = [price]
        for _ in range(_STEPS):
            volatility = volatility * decay + noise * random.gauss(0.0, 1.0)
            price += sigma * math.exp(volatility) * random.gauss(0.0, 1.0)
            minute.append(price)
        path.append(minute)
    return [[one - price for one in minute] for minute in path]


def past_minutes(
    path: list[list[float]], random: Random, *, opening: int, end: int, trades_per_second: float, unit_usd: float
) -> list[Candle]:
    """Give the minutes before ``end`` of a market of the asset of ``path``, by rising start, each with a trade.

    Parameters
    ----------
    opening : price that they lead to, in the market's units
    end : ns UTC; the minute that it lies in is not among them
    trades_per_second : mean
    unit_usd : US dollars that a unit of price times a unit of size is worth
    """
    last = end // (60 * SECOND) * 60 * SECOND
    candles = []
    for number, minute in enumerate(path):
        trades = int(60 * trades_per_second * random.lognormvariate(-0.18, 0.6))
        if not trades:
            continue
        prices = [max(1, round(opening * math.exp(one))) for one in minute]
        mean = sum(prices) // len(prices)
        volume = max(trades, int(trades * _MEAN_TRADE_USD * random.lognormvariate(-0.32, 0.8) / (mean * unit_usd)))
        bought = int(volume * min(max(random.gauss(0.5, 0.12), 0.0), 1.0))
        candles.append(
            Candle(
                start=last - (len(path) - number) * 60 * SECOND,
                open=prices[0],
                high=max(prices),
                low=min(prices),
                close=prices[-1],
                volume=volume,
                notional=volume * mean,
                trades=trades,
                buy_volume=bought,
                buy_notional=bought * mean,
            )
        )
    return candles
