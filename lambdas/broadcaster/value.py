"""One object for clients."""

from typing import NamedTuple

from lambdas.broadcaster.messages import Data

Key = tuple[str, str]
"""(topic, symbol)"""

LATEST_AT = 0
BY_PARTITION_AT = 1_000
"""Plus the partition: where several speak of one topic and symbol, each keeps its own list."""


class Value(NamedTuple):
    """One object for clients, and where it stands among the stored values of its topic and symbol.

    Attributes
    ----------
    symbol : ``venue:SYMBOL``; ``venue:*`` for what concerns a whole venue
    at : a bar's start in ms, or one of the ``…_AT``
    keep : how many of the newest stand at ``at`` beside each other; with 1 the newest replaces
    """

    topic: str
    symbol: str
    at: int
    keep: int
    data: Data
