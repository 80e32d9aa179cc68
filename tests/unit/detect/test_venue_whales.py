"""Whales over several venues, worked by hand."""

from tickwire.conclusions import Whale
from tickwire.detect.venue_whales import clusters

SECOND = 1_000_000_000
LATER = 1_000 * SECOND


def _whale(
    venue: str, symbol: str, side: int, seconds: float, *, notional: float = 100.0, price: float = 10.0
) -> Whale:
    time = round(seconds * SECOND)
    return Whale((venue,), symbol, side, time, time, 1, notional, price, 80.0, 7, 7)


def _found(*whales: Whale, before: int = LATER) -> list[Whale]:
    return [cluster for cluster, _ in clusters(whales, before=before)]


def test_two_venues_within_two_seconds_are_one_whale():
    first = _whale("binance", "BTC-USDT", 1, 10.0, notional=300.0, price=10.0)
    second = _whale("kraken", "BTC-USD", 1, 12.0, notional=100.0, price=20.0)
    ((cluster, members),) = clusters([second, first], before=LATER)
    # 30 coins for 300 and 5 for 100: 400 for 35.
    assert cluster == Whale(("binance", "kraken"), "BTC-USD", 1, 10 * SECOND, 12 * SECOND, 2, 400.0, 400 / 35, 160.0)
    assert members == (first, second)


def test_neither_later_nor_other_coins_nor_the_other_side_nor_one_venue_alone():
    first = _whale("binance", "BTC-USDT", 1, 10.0)
    assert _found(first, _whale("kraken", "BTC-USD", 1, 12.001)) == []
    assert _found(first, _whale("kraken", "ETH-USD", 1, 10.0)) == []
    assert _found(first, _whale("kraken", "BTC-USD", -1, 10.0)) == []
    assert _found(first, _whale("binance", "BTC-USDC", 1, 10.0)) == []


def test_notionals_in_other_money_are_not_summed():
    assert _found(_whale("binance", "BTC-USDT", 1, 10.0), _whale("kraken", "BTC-EUR", 1, 10.0)) == []
    (cluster,) = _found(_whale("coinbase", "BTC-EUR", 1, 10.0), _whale("kraken", "BTC-EUR", 1, 10.0))
    assert cluster.symbol == "BTC-EUR"


def test_each_needs_to_be_near_those_before_it_and_not_near_the_first():
    whales = [_whale(venue, "BTC-USD", -1, 2.0 * k) for k, venue in enumerate(("a", "b", "a", "c"))]
    (cluster,) = _found(*whales)
    assert (cluster.venues, cluster.trades, cluster.ended) == (("a", "b", "c"), 4, 6 * SECOND)


def test_a_cluster_that_may_go_on_is_waited_for():
    whales = [_whale("a", "BTC-USD", 1, 10.0), _whale("b", "BTC-USD", 1, 11.0)]
    assert _found(*whales, before=13 * SECOND) == []
    assert len(_found(*whales, before=13 * SECOND + 1)) == 1
