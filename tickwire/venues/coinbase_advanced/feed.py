"""Coinbase Advanced Trade: the same trades as Coinbase Exchange, with a snapshot of the last hundred."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tickwire.symbols import Instrument
from tickwire.venues.coinbase_advanced.layout import LAYOUTS
from tickwire.venues.coinbase_advanced.parse import Parser
from tickwire.venues.coinbase_advanced.subscribe import ATTEMPTS, subscribe_frames
from tickwire.venues.coinbase_advanced.symbols import VENUE, instrument_of, native_symbol
from tickwire.venues.feed import Feed, Liveness, ParsedFrames
from tickwire.venues.frames import read_or_reject

__all__ = ["CoinbaseAdvancedFeed"]


class CoinbaseAdvancedFeed(Feed):
    """Trades and best bids and offers of Coinbase, by its Advanced Trade WebSocket.

    Trades bear the venue ``coinbase``, as their ids are one space with Coinbase Exchange. The
    snapshot after a subscription (flag SNAPSHOT, turned oldest first) overlaps what was seen
    before; so it also heals a gap of up to about 100 trades. ``sequence_num`` runs over the
    whole connection: a jump is told as a status, the trade ids say what is missing. The wire's
    side is the maker's; rows bear the aggressor's.
    """

    name = "coinbase-advanced"
    venue = VENUE
    default_url = "wss://advanced-trade-ws.coinbase.com"
    # Heartbeats come each second, for the connection and not for a product.
    liveness = Liveness(silence_seconds=5, stream_silence_seconds=30)
    attempts = ATTEMPTS
    layouts = LAYOUTS

    def __init__(self) -> None:
        self._parser = Parser()

    def parse(self, frame: bytes, receive_time: int, out: ParsedFrames) -> None:
        """Read one text frame into ``out``; see :meth:`Feed.parse`."""
        read_or_reject(self._parser.read, frame, receive_time=receive_time, out=out)

    def instrument_of(self, native: str) -> Instrument:
        """Give the instrument of the venue's own name; see :meth:`Feed.instrument_of`."""
        return instrument_of(native)

    def follow(self, sequences: npt.NDArray[np.int64], out: ParsedFrames) -> None:
        """Check that no number of ``sequence_num`` is missing; see :meth:`Feed.follow`."""
        self._parser.follow(sequences, out)

    def reconnected(self) -> None:
        """Forget the connection's sequence number."""
        self._parser.reconnected()

    def connect_path(self, symbols: Sequence[str]) -> str:
        """Give ``/``; what is wanted is said by :meth:`subscribe`."""
        return "/"

    def subscribe(self, symbols: Sequence[str]) -> list[bytes]:
        """Give one frame a channel, heartbeats first; Coinbase wants the first within 5 s.

        Raises
        ------
        UnknownSymbol
            If one is not canonical.
        """
        return subscribe_frames([native_symbol(symbol) for symbol in symbols])
