"""What every venue's REST history offers to the server."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from local.exchange.tape import Tape, Tapes
from tickwire.decimals import format_fixed


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a GET: HTTP status, the JSON body, and headers beside its type."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):
    """A request that a venue refuses, with what it answers."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class RestVenue(ABC):
    """One venue's REST API over the tapes; it counts what each address asks, as the venue does."""

    def __init__(self, venue: str, tapes: Tapes, symbols: Mapping[str, None]) -> None:
        """Serve the canonical ``symbols`` of a venue."""
        self.venue = venue
        self._tapes = tapes
        self._symbols = symbols

    def answer(self, path: str, query: Mapping[str, str], *, address: str, now: int) -> Answer:
        """Answer a GET of ``path`` from an address at ``now`` (ns UTC)."""
        try:
            return self._serve(path, query, address, now)
        except Refusal as refusal:
            return refusal.answer

    @abstractmethod
    def throttle(self, address: str, now: int, *, seconds: float | None = None) -> Answer:
        """Tell an address that it asks too much; ``seconds`` is how long it must wait (None: the venue's usual)."""

    @abstractmethod
    def unavailable(self) -> Answer:
        """Give what the venue answers while it is down."""

    @abstractmethod
    def _serve(self, path: str, query: Mapping[str, str], address: str, now: int) -> Answer:
        """Answer, or raise :class:`Refusal`."""

    def _tape(self, symbol: str) -> Tape:
        """Give a listed symbol's tape, an empty one where nothing was traded yet."""
        return self._tapes.get(self.venue, symbol) or Tape(price_places=8, size_places=8, capacity=0)


def json_answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Give an answer with a body that is no list of trades."""
    return Answer(msgspec.json.encode(body), status, headers or {})


def integer(text: str | None) -> int | None:
    """Read a whole number below 2**63 of a query; None where it is none."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    return int(text) if int(text) < 2**63 else None


def fixed(value: int, places: int, shown: int) -> str:
    """Write units of ``10**-places`` with ``shown`` places; more digits are cut off."""
    return format_fixed(value * 10 ** (shown - places) if shown >= places else value // 10 ** (places - shown), shown)
