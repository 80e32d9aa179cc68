"""Which venues the exchange can serve: each module of this folder says by itself what it lists.

A venue is added by adding its module, with a ``LISTING``; nothing else names it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from local.exchange.market_spec import MarketSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A venue, or a few that speak alike.

    Attributes
    ----------
    feeds : the venue that each feed shows
    markets : what is traded on them
    protocols : ``module:Class`` of each feed's WebSocket protocol
    rest : ``module:Class`` of each venue's REST API
    rest_root : first part of the REST API's paths, which tells them from the sockets' paths
    is_default : whether it is served without being asked for
    """

    feeds: Mapping[str, str]
    markets: Sequence[MarketSpec]
    protocols: Mapping[str, str]
    rest: Mapping[str, str]
    rest_root: str
    is_default: bool = False


@cache
def listings() -> dict[str, Listing]:
    """Give the listings by the names of their modules, in the order of the names."""
    names = sorted(module.name for module in iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").LISTING for name in names}


def find(table: str, name: str) -> Any:
    """Import and give what the ``protocols`` or the ``rest`` of any listing has under a name.

    Raises
    ------
    KeyError
        If none has.
    """
    for listing in listings().values():
        path = getattr(listing, table).get(name)
        if path is not None:
            module, _, attribute = path.partition(":")
            return getattr(import_module(module), attribute)
    raise KeyError(name)


def venue_of(feed: str) -> str:
    """Give the venue that a feed of any listing shows.

    Raises
    ------
    KeyError
        If there is no such feed.
    """
    for listing in listings().values():
        if feed in listing.feeds:
            return listing.feeds[feed]
    raise KeyError(feed)
