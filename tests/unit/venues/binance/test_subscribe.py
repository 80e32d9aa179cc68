"""What a Binance connection asks for, and the names of its symbols."""

import json
from pathlib import Path

import pytest

from tickwire.errors import UnknownSymbol
from tickwire.symbols import Instrument
from tickwire.venues.binance.feed import BinanceFeed, BinanceUsFeed
from tickwire.venues.binance.symbols import instrument_of, native_symbol
from tickwire.venues.feed import ParsedFrames, RejectReason
from tickwire.venues.frames import UnreadableFrame


def test_combined_path_names_trades_and_quotes_of_each_symbol_in_lower_case() -> None:
    assert BinanceFeed().connect_path(["BTC-USDT", "ETH-USDT"]) == (
        "/stream?streams=btcusdt@trade/btcusdt@bookTicker/ethusdt@trade/ethusdt@bookTicker"
    )


def test_aggregate_path_names_aggregates_in_place_of_trades() -> None:
    path = BinanceFeed(aggregate=True).connect_path(["BTC-USDT"])
    assert path == "/stream?streams=btcusdt@aggTrade/btcusdt@bookTicker"


def test_nothing_is_sent_after_connecting() -> None:
    assert BinanceFeed().subscribe(["BTC-USDT"]) == []


def test_more_streams_than_a_connection_takes_are_refused() -> None:
    symbols = [f"A{k}-USDT" for k in range(513)]
    assert BinanceFeed().connect_path(symbols[:512]).count("@") == 1024
    with pytest.raises(ValueError, match="1026 streams"):
        BinanceFeed().connect_path(symbols)
    with pytest.raises(ValueError, match="0 streams"):
        BinanceFeed().connect_path([])


@pytest.mark.parametrize("symbol", ["BTCUSDT", "btc-usdt", "BTC/USDT", "XBT-USDT", ""])
def test_symbol_that_is_not_canonical_is_refused(symbol: str) -> None:
    with pytest.raises(UnknownSymbol):
        BinanceFeed().connect_path([symbol])


def test_liveness_allows_for_ping_frames_every_20_seconds_and_the_daily_cut() -> None:
    liveness = BinanceFeed.liveness
    assert 2 * 20 < liveness.silence_seconds < 60
    assert liveness.connection_seconds == 86_400
    assert liveness.ping_payload is None


@pytest.mark.parametrize(
    ("venue", "native", "symbol"),
    [
        ("binance", "BTCUSDT", "BTC-USDT"),
        ("binance", "BTCFDUSD", "BTC-FDUSD"),
        ("binance", "ADAEUR", "ADA-EUR"),
        ("binance", "ETHBTC", "ETH-BTC"),
        ("binance", "1000SATSUSDT", "1000SATS-USDT"),
        ("binance-us", "BATUSD", "BAT-USD"),
        ("binance-us", "USDTUSD", "USDT-USD"),
        ("binance-us", "BNBUSD", "BNB-USD"),
        ("binance-us", "ZRXBUSD", "ZRX-BUSD"),
        ("binance-us-agg", "HNTUSD", "HNT-USD"),
    ],
)
def test_joined_symbol_is_split_by_what_its_venue_quotes_in(venue: str, native: str, symbol: str) -> None:
    assert instrument_of(venue, native).symbol == symbol
    assert native_symbol(symbol) == native


def test_coin_of_large_supply_keeps_its_wider_scales() -> None:
    assert instrument_of("binance", "PEPEUSDT") == Instrument("binance", "PEPE-USDT", 14, 5)


def test_bitcoin_in_dollars_does_not_exist_on_binance_com() -> None:
    with pytest.raises(UnreadableFrame) as caught:
        instrument_of("binance", "BTCUSD")
    assert caught.value.reason == RejectReason.UNKNOWN_SYMBOL


def test_subscribed_symbol_wins_over_the_guess_by_its_ending() -> None:
    feed = BinanceUsFeed(aggregate=True)
    feed.connect_path(["DBB-USD"])
    out = ParsedFrames()
    trade = {"e": "trade", "E": 1, "s": "DBBUSD", "t": 1, "p": "1", "q": "1", "T": 1783465157897, "m": True, "M": True}
    aggregate = trade | {"e": "aggTrade", "a": 2, "f": 1, "l": 1}
    for message in (trade, aggregate):
        feed.parse(json.dumps(message).encode(), 0, out)
    venues = [("binance-us", "DBB-USD"), ("binance-us-agg", "DBB-USD")]
    assert [(known.venue, known.symbol) for known in out.trades.batch().instruments] == venues
    unsubscribed = instrument_of("binance-us", "DBBUSD")
    assert unsubscribed.symbol == "DB-BUSD"


@pytest.mark.parametrize(
    ("file", "venue", "symbols"), [("BINANCE.0", "binance", 1695), ("BINANCE_US.0", "binance-us", 121)]
)
def test_every_symbol_of_exchange_info_is_split_as_the_venue_says(
    realdata: Path, file: str, venue: str, symbols: int
) -> None:
    line = (realdata / "captures" / "cryptofeed" / file).read_text().splitlines()[0]
    listed = json.loads(line[line.index("{") :])["symbols"]
    assert len(listed) == symbols
    wrong = {
        entry["symbol"]: instrument_of(venue, entry["symbol"]).symbol
        for entry in listed
        if instrument_of(venue, entry["symbol"]).symbol != f"{entry['baseAsset']}-{entry['quoteAsset']}"
    }
    assert wrong == {}
