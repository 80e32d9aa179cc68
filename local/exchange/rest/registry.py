"""The REST histories by venue."""

from local.exchange.listings import find, venue_of
from local.exchange.rest.venue import RestVenue
from local.exchange.source import Source


def rest_venues(source: Source) -> dict[str, RestVenue]:
    """Give the REST APIs of the venues that a source fills; feeds of one venue share one."""
    symbols: dict[str, dict[str, None]] = {}
    for feed, desk in source.desks.items():
        symbols.setdefault(venue_of(feed), {}).update(dict.fromkeys(desk.markets))
    return {venue: find("rest", venue)(venue, source.tapes, listed) for venue, listed in symbols.items()}
