"""The two ways in which venues page trades by id, for the fills of those that do."""

from abc import abstractmethod
from collections.abc import Iterable

from tickwire.symbols import Instrument
from tickwire.venues.fill import MAX_ID, Fill, Span
from tickwire.venues.history_http import HistoryRequest


class RisingFill(Fill):
    """From low ids to high: pages start at an id, which each has in common with the one before.

    Parameters
    ----------
    steps : how far below the first wanted id to start, one after another until a page begins below it
    """

    def __init__(self, instrument: Instrument, first: int, last: int, *, steps: Iterable[int]) -> None:
        super().__init__(instrument, first, last)
        self._steps_down = iter(steps)
        self._anchored = False
        self._ask(max(first - next(self._steps_down), 0))

    @abstractmethod
    def _page_from(self, from_id: int) -> HistoryRequest:
        """Give the request for trades from an id on, that one included."""

    def _ask(self, from_id: int) -> HistoryRequest:
        self._from = from_id
        self.request = self._page_from(from_id)
        return self.request

    def _next(self, span: Span) -> HistoryRequest | None:
        if not span.ids:
            return self._end(f"{self.instrument.venue} has no trade from id {self._from} on")
        lowest, highest = span.ids[0], span.ids[-1]
        if not self._anchored and lowest > self.first and self._from > 0:
            step = next(self._steps_down, None)
            if step is not None:
                return self._ask(max(self.first - step, 0))
        self._anchored = True
        if highest >= self.last:
            return self._end("the venue's rows do not span them in one readable page")
        if highest <= self._from:
            return self._end(f"{self.instrument.venue}'s history ends at id {highest}")
        return self._ask(highest)


class FallingFill(Fill):
    """From high ids to low: pages end below an id, and each has its first in common with the one before.

    Parameters
    ----------
    steps : how far above the last wanted id to start, one after another until a page reaches it
    """

    newest_first = True

    def __init__(self, instrument: Instrument, first: int, last: int, *, steps: Iterable[int]) -> None:
        super().__init__(instrument, first, last)
        self._steps_up = iter(steps)
        self._anchored = False
        self._ask(last + next(self._steps_up) + 1)

    @abstractmethod
    def _page_below(self, after: int) -> HistoryRequest:
        """Give the request for trades below an id, the highest first."""

    def _ask(self, after: int) -> HistoryRequest:
        self._after = min(after, MAX_ID)
        self.request = self._page_below(self._after)
        return self.request

    def _next(self, span: Span) -> HistoryRequest | None:
        if not self._anchored and (not span.ids or span.ids[-1] < self.last):
            step = next(self._steps_up, None)
            if step is not None:
                return self._ask(self.last + step + 1)
        self._anchored = True
        if not span.ids:
            return self._end(f"{self.instrument.venue} has no trade below id {self._after}")
        lowest = span.ids[0]
        if lowest <= self.first:
            return self._end(f"the history ended at id {span.ids[-1]}, or a row of the page cannot be read")
        if lowest + 1 >= self._after:
            return self._end(f"{self.instrument.venue}'s history begins at id {lowest}")
        return self._ask(lowest + 1)
