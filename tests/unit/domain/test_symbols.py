"""Canonical symbols of the names that the venues send."""

import pytest

from tickwire.errors import UnknownSymbol
from tickwire.symbols import Instrument, canonical_symbol, instrument


@pytest.mark.parametrize(
    ("native", "canonical"),
    [
        ("BTC/USD", "BTC-USD"),
        ("BTC-USD", "BTC-USD"),
        ("XBT/USD", "BTC-USD"),
        ("XDG/EUR", "DOGE-EUR"),
        ("ETH/XBT", "ETH-BTC"),
        ("BTC-U", "BTC-U"),
    ],
)
def test_a_venues_name_becomes_base_and_quote(native, canonical):
    assert canonical_symbol(native) == canonical
    assert canonical_symbol(canonical) == canonical


@pytest.mark.parametrize(
    "native", ["", "USDT", "BTC", "BTCUSDT", "btcusdt", "BTC--USD", "BTC/", "/USD", "ÅBTC-USD", "BTC-USD\n", "ABCDEFG"]
)
def test_what_names_no_pair_is_refused(native):
    with pytest.raises(UnknownSymbol):
        canonical_symbol(native)


def test_ordinary_pairs_have_eight_places():
    assert instrument("kraken", "XBT/USD") == Instrument("kraken", "BTC-USD", 8, 8)


@pytest.mark.parametrize("native", ["SHIB-USDT", "1000SATS-USDT", "PEPE/USD"])
def test_coins_of_large_supply_have_finer_prices_and_coarser_sizes(native):
    assert instrument("binance", native)[2:] == (14, 5)
