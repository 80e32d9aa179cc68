"""What a client is given."""

from enum import StrEnum
from typing import Any, NamedTuple

from tickwire.client.positions import Key


class Kind(StrEnum):
    """How an update came about."""

    SNAPSHOT = "snapshot"
    """What there was before: at the beginning, and after a reset."""
    UPDATE = "update"
    """What has just happened."""
    REPLAY = "replay"
    """What was missed, told again; data that are known already may be among it."""
    RESET = "reset"
    """What was missed cannot be told again; a snapshot follows, and this has no data."""


class Update(NamedTuple):
    """Data of one topic and symbol.

    Attributes
    ----------
    symbol : ``venue:SYMBOL``, or as docs/websocket-api.md has it for the topic
    data : JSON objects, older before newer; docs/asyncapi.yaml has their fields. Prices and sizes are decimal text
    sent : ns UTC at which the server sent it; 0 where it does not say
    """

    kind: Kind
    topic: str
    symbol: str
    data: list[dict[str, Any]]
    sent: int = 0

    @property
    def key(self) -> Key:
        """The topic and the symbol."""
        return (self.topic, self.symbol)
