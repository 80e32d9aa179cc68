"""How symbols move together, by a covariance that is fit to simulate from however few observations there are."""

import numpy as np

from tickwire.risk.returns import Floats


def shrunk_covariance(returns: Floats) -> tuple[Floats, float]:
    """Give the Ledoit-Wolf estimate of a covariance, and how far it was shrunk (0 to 1).

    The sample covariance about the mean, moved towards the identity times the mean variance by the share that minimises
    the expected squared error (O. Ledoit and M. Wolf, "A well-conditioned estimator for large-dimensional covariance
    matrices", J. Multivariate Analysis 88, 2004, equations 14 to 17).

    Parameters
    ----------
    returns : float64 (n, k)
    """
    count, width = returns.shape
    centred = returns - returns.mean(axis=0)
    sample: Floats = centred.T @ centred / count
    mean_variance = float(np.trace(sample)) / width
    distance = float(((sample - mean_variance * np.eye(width)) ** 2).sum()) / width
    if distance == 0.0:
        return sample, 0.0
    squares = centred**2
    spread = float((squares.T @ squares / count - sample**2).sum()) / width / count
    share = min(spread, distance) / distance
    return share * mean_variance * np.eye(width) + (1 - share) * sample, share


def correlation(covariance: Floats) -> Floats:
    """Give the correlations of a covariance; a symbol that does not move has none with the others."""
    deviation = np.sqrt(np.diag(covariance))
    scale = np.outer(deviation, deviation)
    found = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0)
    np.fill_diagonal(found, 1.0)
    clipped: Floats = np.clip(found, -1.0, 1.0)
    return clipped
