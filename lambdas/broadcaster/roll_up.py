"""Bars of five minutes and an hour, made of bars of a minute as they come. Pure.

Open and close are those of the first and the last minute, sums are exact: decimal arithmetic on the text of the bars.
An interval's revision is the sum of its minutes' revisions, and one more once it is final, so it grows with each of
them; :func:`tickwire.bars.resample` adds up the same way.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from lambdas.broadcaster.last_values import Place
from lambdas.broadcaster.messages import BarData, Data
from lambdas.broadcaster.value import Value
from tickwire.bar_rows import LATENESS_SECONDS

MINUTES = "bars.1m"
_MINUTE, _FIVE, _HOUR = 60_000, 300_000, 3_600_000
TOPICS = {"bars.5m": _FIVE, "bars.1h": _HOUR}
"""What is made here, and how long it is in ms."""

_LATENESS = LATENESS_SECONDS[60] * 1_000
"""So long after its end a minute can be amended by live trades, or still come up."""
_HOURS_AT_HAND = 2
"""Of a symbol: the newest, and the one before, whose last minute is amended still."""

_EXACT = Context(prec=100, rounding=ROUND_HALF_EVEN)


class _Sums(NamedTuple):
    """What consecutive bars come to."""

    opened: str
    high: Decimal
    low: Decimal
    closed: str
    volume: Decimal
    buy_volume: Decimal
    notional: Decimal
    trades: int
    revision: int
    final: bool
    receive: int
    amended: bool


@dataclass(slots=True)
class _Hour:
    """The minutes of an hour, by their start (ms UTC).

    ``unread`` are those that may be stored and have not been read; ``fives`` what whole five minutes come to, as far
    as nothing has changed in them; ``unsaid`` the intervals (ms, start) that have changed, and ``not_final`` those
    that have been said, but not yet as final.
    """

    minutes: dict[int, tuple[int, _Sums]] = field(default_factory=dict)
    unread: set[int] = field(default_factory=set)
    fives: dict[int, _Sums] = field(default_factory=dict)
    unsaid: set[tuple[int, int]] = field(default_factory=set)
    not_final: set[tuple[int, int]] = field(default_factory=set)


@dataclass(slots=True)
class _Symbol:
    """The hours at hand; those from ``whole_from`` on began after this process had begun to listen."""

    hours: dict[int, _Hour] = field(default_factory=dict)
    newest: int = 0
    whole_from: float = float("inf")


class RollUp:
    """Rolls up the minutes of one partition's symbols.

    A process that has not heard an hour from its beginning has to read the minutes before: :meth:`unread` names them,
    and nothing is made of an hour before they are there.
    """

    def __init__(self) -> None:
        self._symbols: dict[str, _Symbol] = {}
        self._spoken: dict[str, None] = {}

    def take(self, values: Iterable[Value]) -> None:
        """Take values that follow those before; all but bars of a minute are left alone."""
        self._spoken = {}
        for topic, symbol, start, _, data in values:
            if topic == MINUTES and isinstance(data, BarData):
                self._spoken[symbol] = None
                self._take(self._symbols.setdefault(symbol, _Symbol()), start, data)

    def unread(self, limit: int) -> list[Place]:
        """Give at most so many places of bars of a minute that are to be read."""
        places: list[Place] = []
        for symbol in self._spoken:
            for hour in self._symbols[symbol].hours.values():
                places += [Place(MINUTES, symbol, start) for start in sorted(hour.unread)]
            if len(places) >= limit:
                break
        return places[:limit]

    def continue_from(self, stored: Mapping[Place, Sequence[Data]]) -> None:
        """Put stored bars beside those that came since; a place without any is empty."""
        for place, some in stored.items():
            known = self._symbols[place.symbol]
            hour = known.hours.get(place.at - place.at % _HOUR)
            if hour is None:
                continue
            hour.unread.discard(place.at)
            for data in some:
                if isinstance(data, BarData) and _put(hour, place.at, data):
                    # Whether it was said as final, only the process before knows.
                    hour.not_final |= _intervals(place.at)

    def values(self) -> list[Value]:
        """Give what has changed, of the symbols that the last values spoke of, as far as it is whole."""
        found: list[Value] = []
        for symbol in self._spoken:
            known = self._symbols[symbol]
            for start, hour in list(known.hours.items()):
                if not hour.unread:
                    found += self._said(symbol, start, hour, known.newest)
            for start in sorted(known.hours)[:-_HOURS_AT_HAND]:
                if not known.hours[start].unread:
                    del known.hours[start]
        return found

    def _take(self, known: _Symbol, start: int, data: BarData) -> None:
        first = start - start % _HOUR
        if not known.hours and start - first < _MINUTE + _LATENESS:
            # The hour before may have to be said as final still.
            self._hour(known, first - _HOUR)
        hour = self._hour(known, first)
        if _put(hour, start, data):
            hour.unsaid |= _intervals(start)
        known.newest = max(known.newest, start)
        # While a minute is open, the market is not a minute and the lateness past it.
        if not data.final and start + _MINUTE + _LATENESS <= first + _HOUR:
            known.whole_from = min(known.whole_from, first + _HOUR)

    def _hour(self, known: _Symbol, first: int) -> _Hour:
        if first not in known.hours:
            before = set() if first >= known.whole_from else set(range(first, first + _HOUR, _MINUTE))
            known.hours[first] = _Hour(unread=before)
        return known.hours[first]

    def _said(self, symbol: str, first: int, hour: _Hour, newest: int) -> Iterable[Value]:
        over = {(length, start) for length, start in hour.not_final if newest >= start + length + _LATENESS}
        said = sorted(hour.unsaid | over)
        hour.unsaid.clear()
        for length, start in said:
            if length == _FIVE:
                sums = _five(hour, start)
            else:
                sums = _joined([_five(hour, five) for five in sorted({at - at % _FIVE for at in hour.minutes})])
            final = sums.final and newest >= start + length + _LATENESS
            (hour.not_final.discard if final else hour.not_final.add)((length, start))
            topic = next(name for name, one in TOPICS.items() if one == length)
            yield Value(topic, symbol, start, 1, _bar(sums, start, final=final))


def _put(hour: _Hour, start: int, data: BarData) -> bool:
    """Put a bar into its hour; gives whether it is news there."""
    if start in hour.minutes and hour.minutes[start][0] > data.revision:
        return False
    hour.minutes[start] = data.revision, _sums(data)
    hour.fives.pop(start - start % _FIVE, None)
    return True


def _intervals(start: int) -> set[tuple[int, int]]:
    return {(length, start - start % length) for length in TOPICS.values()}


def _sums(bar: BarData) -> _Sums:
    return _Sums(
        bar.open,
        Decimal(bar.high),
        Decimal(bar.low),
        bar.close,
        Decimal(bar.volume),
        Decimal(bar.buy_volume),
        Decimal(bar.notional),
        bar.trades,
        bar.revision,
        bar.final,
        bar.receive,
        bar.amended,
    )


def _five(hour: _Hour, start: int) -> _Sums:
    if start not in hour.fives:
        minutes = (hour.minutes.get(at) for at in range(start, start + _FIVE, _MINUTE))
        hour.fives[start] = _joined([minute[1] for minute in minutes if minute is not None])
    return hour.fives[start]


def _joined(parts: Sequence[_Sums]) -> _Sums:
    """Give the sums of parts that are in order, and at least one."""
    volume, buy_volume, notional = parts[0].volume, parts[0].buy_volume, parts[0].notional
    for part in parts[1:]:
        volume = _EXACT.add(volume, part.volume)
        buy_volume = _EXACT.add(buy_volume, part.buy_volume)
        notional = _EXACT.add(notional, part.notional)
    return _Sums(
        parts[0].opened,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].closed,
        volume,
        buy_volume,
        notional,
        sum(part.trades for part in parts),
        sum(part.revision for part in parts),
        all(part.final for part in parts),
        max(part.receive for part in parts),
        any(part.amended for part in parts),
    )


def _bar(sums: _Sums, start: int, *, final: bool) -> BarData:
    close = Decimal(sums.closed)
    vwap = _EXACT.divide(sums.notional, sums.volume) if sums.volume else close
    return BarData(
        start=start,
        open=sums.opened,
        high=f"{sums.high:f}",
        low=f"{sums.low:f}",
        close=sums.closed,
        # Rounded half to even at the price's scale, as that of a minute.
        vwap=f"{_EXACT.quantize(vwap, close):f}",
        volume=f"{sums.volume:f}",
        buy_volume=f"{sums.buy_volume:f}",
        notional=f"{sums.notional:f}",
        trades=sums.trades,
        revision=sums.revision + final,
        final=final,
        receive=sums.receive,
        amended=sums.amended,
    )
