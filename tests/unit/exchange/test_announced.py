"""The account of announced ids."""

from local.exchange.announced import Announced


def test_contiguous_and_repeated_ids_join_and_holes_stay() -> None:
    announced = Announced()

    for first, last in ((10, 10), (11, 11), (20, 22), (21, 25), (10, 11)):
        announced.add("kraken:BTC-USD", first, last)
    announced.add("binance:BTC-USDT", 1, 3)

    assert announced.report() == {
        "binance:BTC-USDT": {"ranges": [[1, 3]], "trades": 3},
        "kraken:BTC-USD": {"ranges": [[10, 11], [20, 25]], "trades": 8},
    }
    assert announced.trades == 11
