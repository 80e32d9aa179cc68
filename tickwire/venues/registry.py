"""The feeds by name, loaded when asked for so that importing Tickwire stays fast."""

from tickwire.venues.discovery import declared, load
from tickwire.venues.feed import Feed

FEEDS = declared("FEEDS")
"""Import paths (``module:Class``) by feed, from the venues' own packages; always in the same order."""


def new_feed(name: str) -> Feed:
    """Give a fresh parser of the named feed, for one connection.

    Raises
    ------
    KeyError
        If there is no feed of that name; the message lists those that there are.
    """
    if name not in FEEDS:
        raise KeyError(f"no feed {name!r}; there are {', '.join(FEEDS)}")
    feed: Feed = load(FEEDS[name])()
    return feed
