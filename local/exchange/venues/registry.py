"""The feeds by name."""

from local.exchange.listings import find, venue_of
from local.exchange.venues.protocol import Desk, FeedProtocol


def new_protocol(feed: str, desk: Desk) -> FeedProtocol:
    """Give the protocol of a feed, over what the desk shows.

    Raises
    ------
    KeyError
        If there is no such feed.
    """
    protocol: FeedProtocol = find("protocols", feed)(feed, venue_of(feed), desk)
    return protocol
