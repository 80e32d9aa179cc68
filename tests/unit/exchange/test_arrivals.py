"""The arrival process: rates and shapes that its formula promises."""

from random import Random
from statistics import mean

import pytest

from local.exchange import arrivals


def test_children_average_to_the_branching_ratio() -> None:
    random = Random(1)

    counts = [len(arrivals.children(random)) for _ in range(40_000)]

    # Poisson with mean 0.55: the standard error of 40,000 draws is 0.0037.
    assert mean(counts) == pytest.approx(0.55, abs=0.02)
    assert counts.count(0) / len(counts) == pytest.approx(0.5769, abs=0.015)  # exp(-0.55)


def test_gaps_average_to_the_inverse_of_the_rate() -> None:
    random = Random(2)

    gaps = [arrivals.next_gap(random, 50.0) for _ in range(20_000)]

    assert mean(gaps) == pytest.approx(20_000_000, rel=0.05)
    assert min(gaps) >= 1


def test_orders_make_mostly_one_trade_and_sometimes_many() -> None:
    random = Random(3)

    fills = [arrivals.order_fills(random) for _ in range(50_000)]

    assert fills.count(1) / len(fills) == pytest.approx(0.74, abs=0.01)
    assert max(fills) == 60
    assert mean(fills) == pytest.approx(arrivals.MEAN_FILLS, rel=0.05)


def test_burst_offsets_are_all_within_the_duration_and_in_order() -> None:
    offsets = arrivals.burst_offsets(Random(4), 950, 1_000_000_000)

    assert len(offsets) == 950
    assert offsets == sorted(offsets)
    assert offsets[0] >= 0
    assert offsets[-1] < 1_000_000_000
