"""Which bars share a scan of the lake."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_tasks.backfiller.bar_repair_plan import MAX_RANGES, RepairRequest, plan_scans

SECOND = 1_000_000_000


def request(start: int, interval: int = 1, *, symbol: str = "BTC-USD", partition: int = 3) -> RepairRequest:
    """A request of the bar that starts at ``start`` seconds."""
    return RepairRequest("v", symbol, interval, start * SECOND, partition, counter=7)


def seconds(ranges: tuple[tuple[int, int], ...]) -> list[tuple[int, int]]:
    return [(first // SECOND, end // SECOND) for first, end in ranges]


def test_nothing_asked_for_is_nothing_to_scan():
    assert plan_scans([]) == []


def test_ten_minutes_of_bars_of_both_intervals_are_one_range_of_one_scan():
    requests = [request(start) for start in range(600)] + [request(start, 60) for start in range(0, 600, 60)]
    (scan,) = plan_scans(reversed(requests))
    assert seconds(scan.ranges) == [(0, 600)]
    assert sorted(scan.requests) == sorted(requests)
    assert (scan.venue, scan.symbol, scan.partition) == ("v", "BTC-USD", 3)


def test_symbols_never_share_a_scan():
    scans = plan_scans([request(0), request(0, symbol="ETH-USD"), request(1)])
    assert [(scan.symbol, len(scan.requests)) for scan in scans] == [("BTC-USD", 2), ("ETH-USD", 1)]


@pytest.mark.parametrize(("last", "scans"), [(3_599, 1), (3_600, 2)])
def test_a_scan_spans_an_hour_at_most(last, scans):
    assert len(plan_scans([request(0), request(last)])) == scans


def test_a_bar_wider_than_a_scan_is_read_whole():
    (scan,) = plan_scans([request(0, 86_400), request(9)])
    assert seconds(scan.ranges) == [(0, 86_400)]


def test_what_lies_between_distant_bars_is_not_read():
    (scan,) = plan_scans([request(0), request(1), request(1_800), request(1_740, 60)])
    assert seconds(scan.ranges) == [(0, 2), (1_740, 1_801)]


def test_the_smallest_holes_are_read_over_when_there_are_too_many():
    # Nine bars with holes of 99, 9, 99, 99 … seconds between them.
    starts = [0, 100, 110, 210, 310, 410, 510, 610, 710]
    (scan,) = plan_scans([request(start) for start in starts])
    assert seconds(scan.ranges) == [(0, 1), (100, 111)] + [(s, s + 1) for s in starts[3:]]


@given(
    st.lists(
        st.builds(
            lambda minute, second, interval, symbol: request(
                60 * minute + (second if interval == 1 else 0), interval, symbol=symbol
            ),
            st.integers(-90, 90),
            st.integers(0, 59),
            st.sampled_from([1, 60]),
            st.sampled_from(["A-B", "C-D"]),
        ),
        unique=True,
    )
)
def test_every_request_is_in_one_scan_whose_ranges_cover_it(requests):
    scans = plan_scans(requests)
    assert sorted(r for scan in scans for r in scan.requests) == sorted(requests)
    for scan in scans:
        assert 1 <= len(scan.ranges) <= MAX_RANGES
        assert scan.ranges[-1][1] - scan.ranges[0][0] <= 3_600 * SECOND
        assert all(first < end for first, end in scan.ranges)
        assert all(end < first for (_, end), (first, _) in zip(scan.ranges, scan.ranges[1:], strict=False))
        for asked in scan.requests:
            assert asked.symbol == scan.symbol
            assert any(first <= asked.start and asked.end <= end for first, end in scan.ranges)
