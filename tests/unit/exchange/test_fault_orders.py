"""Fault orders: what is read, what is refused and why."""

import pytest

from local.exchange.faults.order import FaultKind, FaultRefused, read_orders


def test_one_order_or_a_list_is_read() -> None:
    (one,) = read_orders('{"kind":"hole","feed":"binance","symbol":"BTC-USDT","count":5}')
    two = read_orders(b'[{"kind":"maintenance"},{"kind":"clock_jump","offset":-3.5,"seconds":2}]')

    assert (one.kind, one.feed, one.symbol, one.count) == (FaultKind.HOLE, "binance", "BTC-USDT", 5)
    assert [order.kind for order in two] == [FaultKind.MAINTENANCE, FaultKind.CLOCK_JUMP]
    assert two[1].offset == -3.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no fault order"),
        ("[]", "want 1 to 64"),
        ('{"kind":"earthquake"}', "Invalid enum value"),
        ('{"kind":"hole","sumbol":"BTC-USD"}', "unknown field `sumbol`"),
        ('{"kind":"maintenance","count":3}', "maintenance has no count"),
        ('{"kind":"disconnect","mode":"error"}', "has no mode error"),
        ('{"kind":"disconnect","count":3}', "needs seconds"),
        ('{"kind":"silent_stream","seconds":3}', "needs a symbol"),
        ('{"kind":"reorder","delay":61}', "<= 60"),
        ('{"kind":"hole","seconds":3601}', "<= 3600"),
        ('{"kind":"hole","venue_outage":true,"share":0.5}', "no share"),
        ('"hole"', "no fault order"),
    ],
)
def test_an_order_without_sense_is_refused_with_a_reason(text: str, says: str) -> None:
    with pytest.raises(FaultRefused, match=says.replace("[", r"\[")):
        read_orders(text)
