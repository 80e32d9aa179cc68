"""Venues that trade one pair at prices that differ by more than they usually do.

Only closes of the same minute are compared, and only of the same symbol: USDT is not USD. Their basis floats, by tenths
of a basis point on most days and by percents when a dollar coin is in doubt (USDC in March 2023): then every coin
against it would differ from every coin against USD, and the sentence that a venue's price is off would be wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log

import msgspec

from tickwire.conclusions import Anomaly, AnomalyKind
from tickwire.detect.sentiment import MinuteFacts
from tickwire.detect.usual import Window
from tickwire.errors import UnreadableState

_VERSION = 1
_MINUTE = 60_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DisagreementSettings:
    """What counts as one.

    Attributes
    ----------
    minutes, min_minutes : of how many minutes the usual difference is made, and how many come first
    multiple : the difference is at least so many times the usual one, the median
    floor : and at least so many basis points
    """

    minutes: int = 60
    min_minutes: int = 30
    multiple: float = 5.0
    floor: float = 10.0


class _Packed(msgspec.Struct, array_like=True):
    symbols: list[tuple[str, bytes, bool]]


@dataclass(slots=True)
class _Pair:
    differences: Window = field(default_factory=Window)
    told: bool = False


class DisagreementDetector:
    """The usual differences of any number of symbols; one anomaly an episode.

    An episode ends with the first minute whose difference is below half the bound.
    """

    def __init__(self, settings: DisagreementSettings | None = None) -> None:
        self._settings = DisagreementSettings() if settings is None else settings
        self._pairs: dict[str, _Pair] = {}

    def update(self, minute: int, facts: Iterable[MinuteFacts]) -> list[Anomaly]:
        """Take in the minute that begins at ``minute`` (ns UTC), and give what disagrees, by symbol.

        The anomaly's ``venue`` is ``lowest/highest``: of two venues nobody knows which one is wrong.
        """
        closes: dict[str, dict[str, float]] = {}
        for one in facts:
            closes.setdefault(one.symbol, {})[one.venue] = one.close
        found = (self._compare(minute, symbol, closes[symbol]) for symbol in sorted(closes) if len(closes[symbol]) > 1)
        return [anomaly for anomaly in found if anomaly is not None]

    def _compare(self, minute: int, symbol: str, closes: dict[str, float]) -> Anomaly | None:
        settings, pair = self._settings, self._pairs.setdefault(symbol, _Pair())
        (low, lowest), *_, (high, highest) = sorted((price, venue) for venue, price in closes.items())
        points, anomaly = 1e4 * log(high / low), None
        if len(pair.differences) >= settings.min_minutes:
            usual, _ = pair.differences.level()
            bound = max(settings.multiple * usual, settings.floor)
            if points >= bound and not pair.told:
                reason = (
                    f"{highest} at {high:.10g} is {points:.1f} bp above {lowest} at {low:.10g}, where {usual:.1f} bp"
                    " are usual"
                )
                kind, time = AnomalyKind.DISAGREEMENT, minute + _MINUTE
                anomaly = Anomaly(f"{lowest}/{highest}", symbol, kind, time, points, bound, "bp", reason)
            pair.told = points >= bound or (pair.told and points >= bound / 2)
        pair.differences.add(points, limit=settings.minutes)
        return anomaly

    def dump(self) -> bytes:
        """Give the bytes of the state, 0.15 kB a symbol; the same state always gives the same bytes."""
        symbols = [(symbol, pair.differences.dump(), pair.told) for symbol, pair in sorted(self._pairs.items())]
        return bytes([_VERSION]) + msgspec.msgpack.encode(_Packed(symbols))

    @classmethod
    def load(cls, data: bytes, settings: DisagreementSettings | None = None) -> "DisagreementDetector":
        """Read what :meth:`dump` gave.

        Raises
        ------
        UnreadableState
            If the bytes are of another version, or damaged.
        """
        if data[:1] != bytes([_VERSION]):
            raise UnreadableState(f"disagreements of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
        table = cls(settings)
        try:
            packed = msgspec.msgpack.decode(memoryview(data)[1:], type=_Packed)
            table._pairs = {symbol: _Pair(Window(values), told) for symbol, values, told in packed.symbols}
        except (msgspec.MsgspecError, ValueError) as error:
            raise UnreadableState(f"damaged state of disagreements: {error}") from error
        return table
