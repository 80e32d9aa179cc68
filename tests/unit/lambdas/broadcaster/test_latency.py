"""What is told of many records must tell of their slowest too."""

import numpy as np
import pytest

from lambdas.broadcaster.latency import MAX_SAMPLES, _spread


@pytest.mark.parametrize("count", [1, 2, MAX_SAMPLES])
def test_few_records_are_all_told(count: int) -> None:
    values = [float(number) for number in range(count)]
    assert _spread(values) == values


@pytest.mark.parametrize("count", [MAX_SAMPLES + 1, 250, 6_400])
def test_of_many_records_the_percentiles_stay(count: int) -> None:
    values = np.sort(np.random.default_rng(7).lognormal(5, 1, count))
    spread = _spread(values.tolist())
    assert len(spread) == MAX_SAMPLES
    assert spread[-1] == pytest.approx(values[-1], abs=0.001)
    for percent in (50, 90, 99):
        # Within the step between two samples' ranks.
        low, high = np.percentile(values, [max(percent - 1, 0), min(percent + 1, 100)])
        assert low <= np.percentile(spread, percent) <= high
