"""The REST histories by venue."""

from collections.abc import Mapping

from local.exchange.catalogue import FEED_VENUES
from local.exchange.rest.binance import BinanceRest
from local.exchange.rest.coinbase import CoinbaseRest
from local.exchange.rest.kraken import KrakenRest
from local.exchange.rest.venue import RestVenue
from local.exchange.source import Source

_VENUES: Mapping[str, type[RestVenue]] = {
    "binance": BinanceRest,
    "binance-us": BinanceRest,
    "coinbase": CoinbaseRest,
    "kraken": KrakenRest,
}


def rest_venues(source: Source) -> dict[str, RestVenue]:
    """Give the REST APIs of the venues that a source fills; feeds of one venue share one."""
    symbols: dict[str, dict[str, None]] = {}
    for feed, desk in source.desks.items():
        symbols.setdefault(FEED_VENUES[feed], {}).update(dict.fromkeys(desk.markets))
    return {venue: _VENUES[venue](venue, source.tapes, listed) for venue, listed in symbols.items()}
