"""Platt's scaling against the truth that labels were drawn from."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit, logit

from tickwire.model.calibration import Calibration, calibrated


def drawn(slope: float, intercept: float, n: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    raw = random.normal(0, 1, n)
    return raw, (random.uniform(size=n) < expit(slope * raw + intercept)).astype(float)


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.3, -0.4), (2.5, 1.0)])
def test_it_finds_what_labels_were_drawn_from(slope: float, intercept: float) -> None:
    raw, label = drawn(slope, intercept)
    found = calibrated(raw, label)
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept), abs=0.1)

    def loss(line: np.ndarray) -> float:
        chance = expit(line[0] * raw + line[1])
        return float(-np.mean(label * np.log(chance) + (1 - label) * np.log(1 - chance)))

    best = minimize(loss, [1.0, 0.0], method="BFGS").x
    assert (found.slope, found.intercept) == pytest.approx(tuple(best), abs=5e-3)


def test_a_network_that_is_wrong_is_not_turned_around() -> None:
    raw, label = drawn(-0.5, 0.2)
    assert calibrated(raw, label) == Calibration(0.0, pytest.approx(logit(label.mean())))
