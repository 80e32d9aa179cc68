"""Finds the venues: each package beside this module says by itself which feeds and histories it has.

Such a package names them in its ``__init__.py``, which imports nothing, as import paths::

    FEEDS = {"kraken": "tickwire.venues.kraken.feed:KrakenFeed"}
    HISTORIES = {"kraken": "tickwire.venues.kraken.history:KrakenHistory"}

The keys of both are names of feeds. So a venue is added by adding its folder, and what it imports
is loaded only when one of its feeds is asked for.
"""

from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import tickwire.venues

FIRST = ("binance", "coinbase", "coinbase_advanced", "kraken")
"""These come first, so that lists of feeds keep their order as venues are added; the others follow by name."""

TEMPLATE = "template"
"""The package to copy; it is no venue."""


def venue_packages() -> list[str]:
    """Give the names of the venues' packages in their fixed order, :data:`TEMPLATE` left out."""
    # A name, not a file's path: the packages may lie in a zip file.
    found = {module.name for module in iter_modules(tickwire.venues.__path__) if module.ispkg}
    found.discard(TEMPLATE)
    return [name for name in FIRST if name in found] + sorted(found.difference(FIRST))


def declared(table: str, packages: Sequence[str] | None = None) -> dict[str, str]:
    """Give what packages (default: those of all venues) declare in ``FEEDS`` or ``HISTORIES``, by feed.

    Raises
    ------
    ValueError
        If two packages declare the same feed, or a value is no ``module:Class``.
    """
    paths: dict[str, str] = {}
    for package in venue_packages() if packages is None else packages:
        name = f"{tickwire.venues.__name__}.{package}"
        for feed, path in getattr(import_module(name), table, {}).items():
            if feed in paths:
                raise ValueError(f"{table} of {name}: {feed!r} is {paths[feed]} already")
            module, _, cls = path.partition(":")
            if not module or not cls.isidentifier():
                raise ValueError(f"{table} of {name}: {path!r} is no module:Class")
            paths[feed] = path
    return paths


def load(path: str) -> Any:
    """Import ``module:Class`` and give the class."""
    module, _, cls = path.partition(":")
    return getattr(import_module(module), cls)
