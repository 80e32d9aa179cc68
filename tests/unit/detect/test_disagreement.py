"""Prices of one pair that disagree, worked by hand."""

from math import log

import pytest

from tickwire.conclusions import Anomaly, AnomalyKind
from tickwire.detect.disagreement import DisagreementDetector
from tickwire.detect.sentiment import MinuteFacts
from tickwire.errors import UnreadableState

START = 1_700_000_040_000_000_000
MINUTE = 60_000_000_000


def _minute(detector: DisagreementDetector, minute: int, *, symbol: str = "BTC-USD", **closes: float) -> list[Anomaly]:
    start = START + minute * MINUTE
    facts = [MinuteFacts(venue, symbol, start, close, close, 1.0, 0.5, 1) for venue, close in closes.items()]
    return detector.update(start, facts)


def _usual(minutes: int = 30) -> DisagreementDetector:
    """Venues that lie 4 basis points apart."""
    detector = DisagreementDetector()
    for minute in range(minutes):
        assert _minute(detector, minute, coinbase=10_000.0, kraken=10_004.0) == []
    return detector


def test_a_difference_of_many_times_the_usual_is_told_with_both_venues():
    detector = _usual()
    assert _minute(detector, 30, coinbase=10_000.0, kraken=10_019.0) == []
    (found,) = _minute(detector, 31, coinbase=10_000.0, kraken=9_950.0)
    assert found == Anomaly(
        "kraken/coinbase",
        "BTC-USD",
        AnomalyKind.DISAGREEMENT,
        START + 32 * MINUTE,
        pytest.approx(1e4 * log(10_000 / 9_950)),
        pytest.approx(5 * 1e4 * log(10_004 / 10_000), rel=1e-3),
        "bp",
        "coinbase at 10000 is 50.1 bp above kraken at 9950, where 4.0 bp are usual",
    )
    assert _minute(detector, 32, coinbase=10_000.0, kraken=9_900.0) == []


def test_it_is_told_again_once_the_venues_agreed_between():
    detector = _usual()
    assert len(_minute(detector, 30, coinbase=10_000.0, kraken=10_050.0)) == 1
    assert _minute(detector, 31, coinbase=10_000.0, kraken=10_015.0) == []
    assert _minute(detector, 32, coinbase=10_000.0, kraken=10_050.0) == []
    assert _minute(detector, 33, coinbase=10_000.0, kraken=10_004.0) == []
    assert len(_minute(detector, 34, coinbase=10_000.0, kraken=10_050.0)) == 1


def test_venues_that_usually_agree_to_the_tick_need_ten_basis_points():
    detector = DisagreementDetector()
    for minute in range(30):
        _minute(detector, minute, coinbase=10_000.0, kraken=10_000.0)
    assert _minute(detector, 30, coinbase=10_000.0, kraken=10_009.0) == []
    assert len(_minute(detector, 31, coinbase=10_000.0, kraken=10_011.0)) == 1


def test_of_several_venues_the_lowest_and_the_highest_count():
    detector = DisagreementDetector()
    for minute in range(30):
        _minute(detector, minute, a=100.0, b=100.0, c=100.0)
    (found,) = _minute(detector, 30, a=100.0, b=101.0, c=100.5)
    assert found.venue == "a/b"


def test_usdt_is_not_usd():
    detector = _usual()
    start = START + 30 * MINUTE
    prices = {"BTC-USD": 10_000.0, "BTC-USDT": 11_000.0}
    facts = [MinuteFacts(f"of {symbol}", symbol, start, price, price, 1, 1, 1) for symbol, price in prices.items()]
    assert detector.update(start, facts) == []


def test_nothing_is_told_before_half_an_hour_is_known():
    assert _minute(_usual(29), 29, coinbase=1.0, kraken=2.0) == []


def test_saving_changes_nothing_and_what_is_not_a_state_is_refused():
    detector = DisagreementDetector.load(_usual().dump())
    assert detector.dump() == _usual().dump()
    assert len(_minute(detector, 30, coinbase=10_000.0, kraken=9_950.0)) == 1
    with pytest.raises(UnreadableState, match="version none"):
        DisagreementDetector.load(b"")
    for end in range(1, len(detector.dump())):
        with pytest.raises(UnreadableState):
            DisagreementDetector.load(detector.dump()[:end])
