"""Asks a venue's history for its newest trades, to see whether a quiet symbol is quiet at the venue too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from tickwire.venues.frames import DECODE_FAILURES
from tickwire.venues.history_http import HistoryReply, HistoryRequest, UnreadableReply, require_page

ROWS = 10
"""Trades asked for: one row that cannot be read does not hide the others."""


@dataclass(frozen=True, slots=True)
class NewestTrades:
    """The newest few trades of one symbol: send :attr:`request`, then :meth:`feed` the reply.

    Attributes
    ----------
    decode : gives the raw rows of a reply received at a time (ns UTC); raises ``HistoryError``
    name : gives the id of a row; raises a decode failure
    """

    request: HistoryRequest
    decode: Callable[[HistoryReply, int], Sequence[msgspec.Raw]]
    name: Callable[[msgspec.Raw], int]

    def feed(self, reply: HistoryReply, receive_time: int) -> int | None:
        """Give the highest trade id of the reply, or None where the venue has no trade.

        Raises
        ------
        HistoryError
            One of its kinds, also where no row has a readable id.
        """
        rows = self.decode(reply, receive_time)
        require_page(len(rows))
        ids = []
        for raw in rows:
            try:
                ids.append(self.name(raw))
            except DECODE_FAILURES:
                continue
        if rows and not ids:
            raise UnreadableReply(f"none of {len(rows)} rows has a readable id")
        return max(ids, default=None)
