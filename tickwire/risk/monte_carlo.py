"""What a portfolio may lose, by simulation: correlated returns with tails as fat as those of this market.

Returns are drawn from a multivariate Student t distribution: normal ones, correlated by a Cholesky factor, all divided
by the root of one χ² over its degrees of freedom, so that symbols are extreme together as they are in a crash
(A. McNeil, R. Frey, P. Embrechts, "Quantitative Risk Management", 2015, section 6.2). They are scaled to the
covariance.
"""

import numpy as np

from tickwire.risk.errors import UnusableInput
from tickwire.risk.returns import Floats

DEGREES_OF_FREEDOM = 4.0
"""Hourly crypto returns have tail exponents of 3 to 4; at 4 the variance is finite and the kurtosis is not."""

MAX_PATHS = 100_000


def simulate_losses(
    covariance: Floats,
    values: Floats,
    *,
    horizon: int,
    paths: int,
    seed: int,
    degrees_of_freedom: float = DEGREES_OF_FREEDOM,
) -> Floats:
    """Give ``paths`` losses of a portfolio over ``horizon`` bars, float64, in money.

    A path is one draw at the horizon's deviation, σ √h: tails do not thin out as they would if its bars were drawn
    independently of each other, since hours of high volatility come together. It is the more cautious of the two.

    Parameters
    ----------
    covariance : float64 (k, k), of the returns of a bar
    values : float64 (k,), money in each symbol, negative if it is short

    Raises
    ------
    UnusableInput
        If there are too many paths or none, or the degrees of freedom leave no variance.
    """
    if not 1 <= paths <= MAX_PATHS:
        raise UnusableInput(f"there may be 1 to {MAX_PATHS} paths")
    if degrees_of_freedom <= 2:
        raise UnusableInput("a Student t distribution of 2 degrees of freedom or fewer has no variance to scale")
    random = np.random.default_rng(seed)
    width = len(values)
    normal = random.standard_normal((paths, width))
    chi = random.chisquare(degrees_of_freedom, size=paths)
    # Of variance 1: a t variable has nu / (nu - 2).
    scale = np.sqrt((degrees_of_freedom - 2) / chi * horizon)
    returns = (normal @ _factor(covariance).T) * scale[:, None]
    # A price cannot fall below nothing, and a log return of 3 is twenty times the price.
    losses: Floats = -(np.expm1(np.clip(returns, -20.0, 3.0)) @ values)
    return losses


def _factor(covariance: Floats) -> Floats:
    """Give a matrix that times its transpose is the covariance, also where that has no full rank."""
    try:
        factor: Floats = np.linalg.cholesky(covariance).astype(np.float64)
    except np.linalg.LinAlgError:
        eigenvalues, vectors = np.linalg.eigh(covariance)
        factor = vectors * np.sqrt(np.clip(eigenvalues, 0.0, None))
    return factor
