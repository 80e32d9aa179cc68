"""What a portfolio would have lost in crashes that happened, and in plain shocks.

Of a crash only Bitcoin's fall is replayed; every symbol falls by its own beta to Bitcoin, estimated from its returns.
The falls are those from a day's open to the low, by Binance's daily candles (UTC) of BTC-USDT, in whole percent:

- 2020-03-12, the day of the pandemic's panic: 7,934.58 to 4,410.00, -44 %
- 2021-05-19, China's statements on mining: 42,849.78 to 30,000.00, -30 %
- 2022-11-08 and 09, the failure of FTX: 20,590.67 to 15,588.00, -24 %
"""

from dataclasses import dataclass

import numpy as np

from tickwire.risk.returns import Floats


@dataclass(frozen=True, slots=True)
class Shock:
    """A move of the market: ``move`` is Bitcoin's, a fraction of its price; ``alike``: all symbols move by the same."""

    name: str
    move: float
    alike: bool = False


SHOCKS = (
    Shock("flash crash of 2020-03-12", -0.44),
    Shock("crash of 2021-05-19", -0.30),
    Shock("failure of FTX, 2022-11-08", -0.24),
    Shock("all prices fall by 10 %", -0.10, alike=True),
    Shock("all prices rise by 10 %", 0.10, alike=True),
)


@dataclass(frozen=True, slots=True)
class ScenarioOutcome:
    """What a shock does: money gained in each position, and in all; losses are negative here, as on a statement."""

    name: str
    pnl: float
    by_position: tuple[float, ...]


def betas(covariance: Floats, reference: int) -> Floats:
    """Give each symbol's beta to the one at ``reference``: covariance over that one's variance, 1 where it has none."""
    variance = covariance[reference, reference]
    if variance <= 0:
        return np.ones(len(covariance))
    found: Floats = covariance[reference] / variance
    return found


def replay(values: Floats, beta: Floats) -> list[ScenarioOutcome]:
    """Give what every shock does to money in symbols (``values``, negative if short) of these betas.

    No price falls below nothing: a symbol of beta 3 loses everything when Bitcoin loses 44 %.
    """
    outcomes = []
    for shock in SHOCKS:
        moves = np.full(len(values), shock.move) if shock.alike else np.maximum(beta * shock.move, -1.0)
        by_position = values * moves
        outcomes.append(ScenarioOutcome(shock.name, float(by_position.sum()), tuple(map(float, by_position))))
    return outcomes
