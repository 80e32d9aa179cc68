"""The tape of recordings: the trades in the frames that were played so far."""

from collections import deque

from local.exchange.tape import CAPACITY, Tape, TapeRow, Tapes
from tickwire.columns import Side
from tickwire.venues.feed import Feed, ParsedFrames
from tickwire.venues.registry import new_feed


class RecordedTapes(Tapes):
    """Reads played frames only when someone asks for their trades: most replays serve no history.

    Frames are read by the project's own feeds, as a recording has no other account of its trades.
    """

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        super().__init__(capacity=capacity)
        self._unread: deque[tuple[str, bytes]] = deque(maxlen=capacity)
        self._feeds: dict[str, Feed] = {}

    def played(self, feed: str, frame: bytes) -> None:
        """Take a frame with trades; of those not asked for, the newest ``capacity`` are kept."""
        self._unread.append((feed, frame))

    def items(self) -> dict[str, Tape]:
        while self._unread:
            feed, frame = self._unread.popleft()
            if feed not in self._feeds:
                self._feeds[feed] = new_feed(feed)
            out = ParsedFrames()
            self._feeds[feed].parse(frame, 0, out)
            self._add(out)
        return super().items()

    def _add(self, out: ParsedFrames) -> None:
        batch = out.trades.batch()
        columns = (batch.instrument, batch.trade_id, batch.price, batch.size, batch.side, batch.exchange_time)
        for number, trade_id, price, size, side, time in zip(*(one.tolist() for one in columns), strict=True):
            of = batch.instruments[number]
            tape = self.open(of.venue, of.symbol, price_places=of.price_scale, size_places=of.size_scale)
            tape.add(TapeRow(trade_id, price, size, Side(side), time))
