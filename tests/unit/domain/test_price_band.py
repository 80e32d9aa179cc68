"""The robust price band: what is flagged, and that flags end."""

import numpy as np
import pytest

from tickwire.validation.price_band import BandSettings, PriceBand

SETTINGS = BandSettings()


def _flags(band: PriceBand, prices: list[int]) -> list[bool]:
    return [band.observe(price, SETTINGS) for price in prices]


def _walk(start: int, trades: int, seed: int = 7) -> list[int]:
    steps = np.random.default_rng(seed).normal(0, 2e-5, trades).cumsum()
    return (start * np.exp(steps)).astype(np.int64).tolist()


def test_nothing_is_an_anomaly_before_enough_prices_are_known():
    assert not any(_flags(PriceBand(), [100, 10**12, 1] * 10))


def test_a_print_far_off_the_market_is_flagged_and_the_next_one_is_not():
    band = PriceBand()
    assert not any(_flags(band, _walk(6_000_000_000_000, 200)))
    assert _flags(band, [6_600_000_000_000, 6_000_000_000_000, 60_000_000_000]) == [True, False, True]


def test_a_market_at_rest_does_not_flag_its_next_move():
    band = PriceBand()
    _flags(band, [100_000] * 100)
    assert _flags(band, [100_500, 99_500]) == [False, False]
    assert _flags(band, [100_501, 99_499]) == [True, True]


def test_after_a_real_jump_the_flags_end_within_half_the_memory():
    band = PriceBand()
    _flags(band, _walk(6_000_000_000_000, 200))
    flags = _flags(band, _walk(6_600_000_000_000, 200))
    assert flags[0]
    assert sum(flags) <= SETTINGS.prices // 2 + 16
    assert not any(flags[SETTINGS.prices :])


def test_a_few_outliers_do_not_widen_the_band():
    band = PriceBand()
    prices = _walk(6_000_000_000_000, 320)
    for outlier in range(0, 320, 8):
        prices[outlier] *= 2
    flags = _flags(band, prices)
    assert [k for k, flag in enumerate(flags) if flag] == list(range(32, 320, 8))


def test_the_band_is_the_documented_formula():
    prices = _walk(6_000_000_000_000, 64)
    band = PriceBand()
    _flags(band, prices)
    # numpy's percentile by rank is the independent median: the upper one of 64.
    median = int(np.percentile(prices, 100 * 32 / 63, method="nearest"))
    mad = int(np.percentile(np.abs(np.array(prices) - median), 100 * 32 / 63, method="nearest"))
    radius = max(10 * 1.4826 * mad, 0.005 * median)
    assert band.low == pytest.approx(median - radius, abs=2)
    assert band.high == pytest.approx(median + radius, abs=2)


def test_extreme_prices_stay_within_int64():
    band = PriceBand()
    _flags(band, [1, 2**63 - 1] * 64)
    assert band.low >= 0
    assert band.high <= 2**63 - 1
