"""What a symbol's own recent past makes unlikely: moves, bursts of trades, wide spreads and silence."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import exp, log, log1p

import msgspec
import numpy as np

from tickwire.bar_rows import NOT_LIVE, SECOND
from tickwire.columns import QuoteBatch, TradeBatch
from tickwire.conclusions import Anomaly, AnomalyKind
from tickwire.detect.symbol_state import Key, Minute, PackedSymbol, SymbolState, pack, unpack
from tickwire.errors import UnreadableState
from tickwire.records import Bar

_VERSION = 1
_MINUTE = 60 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class AnomalySettings:
    """What counts as one. Deviations are robust ones; see :class:`~tickwire.detect.usual.Window`.

    Attributes
    ----------
    minutes, min_minutes : of how many minutes the usual is made, and how many come first
    price_deviations, price_floor : a minute's log return is that far from the usual, and at least the floor
    rate_deviations, rate_multiple, rate_floor : ln(1 + trades) of a minute is that far above the usual, and the trades
        are at least so many times their median, and no fewer than the floor
    samples, min_samples, sample_seconds : a spread is looked at so often; of how many looks the usual is made
    spread_deviations, spread_multiple, spread_looks : the spread is that far above the usual and at least so many
        times it, at so many looks one after the other
    silence_seconds, silence_rate : no trade for so long, where so many a minute are usual
    pause_seconds : time without any record counts for no more than this, since nobody listened then
    """

    minutes: int = 60
    min_minutes: int = 30
    price_deviations: float = 12.0
    price_floor: float = 0.002
    rate_deviations: float = 6.0
    rate_multiple: float = 5.0
    rate_floor: int = 30
    samples: int = 60
    min_samples: int = 20
    sample_seconds: int = 15
    spread_deviations: float = 8.0
    spread_multiple: float = 3.0
    spread_looks: int = 2
    silence_seconds: int = 60
    silence_rate: int = 60
    pause_seconds: int = 5


class _Packed(msgspec.Struct, array_like=True):
    clock: int
    listened: int
    looked: int
    symbols: list[PackedSymbol]


class AnomalyDetector:
    """The usual of any number of symbols, and what is out of it: one anomaly an episode.

    An episode of a move or a burst ends with the first minute that is less than half as far out, one of a wide spread
    with a look at less than half the bound, and silence with a trade. What is out of the ordinary goes into what is
    usual all the same: a new level is usual after half a window.
    """

    def __init__(self, settings: AnomalySettings | None = None) -> None:
        self._settings = AnomalySettings() if settings is None else settings
        self._symbols: dict[Key, SymbolState] = {}
        self._clock = 0
        # Time in which records came, ns, and when it was last looked who is silent.
        self._listened = 0
        self._looked = 0

    def update(self, *, bars: Iterable[Bar], trades: TradeBatch, quotes: QuoteBatch, now: int) -> list[Anomaly]:
        """Take in what one record tells, and give what is out of the ordinary.

        ``bars`` : those that its trades changed; bars of other intervals than a minute are passed over
        ``now`` : ns UTC when the record was created
        """
        if self._clock:
            self._listened += min(max(0, now - self._clock), self._settings.pause_seconds * SECOND)
        self._clock = max(self._clock, now)
        found: list[Anomaly] = []
        for bar in sorted(
            (bar for bar in bars if bar.interval == 60), key=lambda bar: (bar.venue, bar.symbol, bar.start)
        ):
            found += self._minute(bar)
        found += self._spreads(quotes)
        self._hear(trades)
        if self._listened - self._looked >= SECOND:
            self._looked = self._listened
            found += self._silent(now)
        return found

    def dump(self) -> bytes:
        """Give the bytes of the state, at most 0.5 kB a symbol; the same state always gives the same bytes."""
        symbols = [pack(key, self._symbols[key]) for key in sorted(self._symbols)]
        packed = _Packed(self._clock, self._listened, self._looked, symbols)
        return bytes([_VERSION]) + msgspec.msgpack.encode(packed)

    @classmethod
    def load(cls, data: bytes, settings: AnomalySettings | None = None) -> "AnomalyDetector":
        """Read what :meth:`dump` gave.

        Raises
        ------
        UnreadableState
            If the bytes are of another version, or damaged.
        """
        if data[:1] != bytes([_VERSION]):
            raise UnreadableState(f"anomalies of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
        table = cls(settings)
        try:
            packed = msgspec.msgpack.decode(memoryview(data)[1:], type=_Packed)
            table._symbols = dict(unpack(one) for one in packed.symbols)
        except (msgspec.MsgspecError, ValueError) as error:
            raise UnreadableState(f"damaged state of anomalies: {error}") from error
        table._clock, table._listened, table._looked = packed.clock, packed.listened, packed.looked
        return table

    def _of(self, venue: str, symbol: str) -> SymbolState:
        state = self._symbols.get((venue, symbol))
        if state is None:
            state = self._symbols[venue, symbol] = SymbolState(heard=self._listened)
        return state

    def _minute(self, bar: Bar) -> Iterator[Anomaly]:
        state, close = self._of(bar.venue, bar.symbol), float(bar.close) * float(f"1e-{bar.price_scale}")
        minute = state.minute
        if minute is not None and bar.start < minute.start:
            return
        if minute is not None and bar.start > minute.start:
            self._end_minute(state, minute, skipped=(bar.start - minute.start) // _MINUTE - 1)
        state.minute = Minute(bar.start, close, bar.trades)
        time = bar.latest_receive or bar.start + _MINUTE
        yield from self._move(state, bar, close, time)
        yield from self._burst(state, bar, time)

    def _end_minute(self, state: SymbolState, minute: Minute, *, skipped: int) -> None:
        settings, count = self._settings, log1p(minute.trades)
        if state.close:
            change = log(minute.close / state.close)
            if len(state.returns) >= settings.min_minutes:
                usual, bound = self._move_bound(state)
                state.moving &= abs(change - usual) >= bound / 2
            state.returns.add(change, limit=settings.minutes)
        if len(state.counts) >= settings.min_minutes:
            usual, bound = self._burst_bound(state)
            state.bursting &= count - usual >= (bound - usual) / 2
        for value in (count, *[0.0] * min(skipped, settings.minutes)):
            state.counts.add(value, limit=settings.minutes)
        state.close = minute.close

    def _move_bound(self, state: SymbolState) -> tuple[float, float]:
        """Give the usual log return of a minute, and how far from it one must lie."""
        median, deviation = state.returns.level()
        return median, max(self._settings.price_deviations * deviation, self._settings.price_floor)

    def _burst_bound(self, state: SymbolState) -> tuple[float, float]:
        """Give the usual ln(1 + trades) of a minute, and how large it must be."""
        settings = self._settings
        median, deviation = state.counts.level()
        least = max(settings.rate_multiple * (exp(median) - 1), settings.rate_floor)
        return median, max(median + settings.rate_deviations * deviation, log1p(least))

    def _move(self, state: SymbolState, bar: Bar, close: float, time: int) -> Iterator[Anomaly]:
        if state.moving or not state.close or len(state.returns) < self._settings.min_minutes:
            return
        change = log(close / state.close)
        usual, bound = self._move_bound(state)
        if abs(change - usual) < bound:
            return
        state.moving = True
        limit = 100 * (exp(usual + (bound if change > usual else -bound)) - 1)
        percent = 100 * (close / state.close - 1)
        reason = (
            f"{'rose' if percent > 0 else 'fell'} {abs(percent):.2f} % since the minute before; after its last"
            f" {len(state.returns)} minutes {limit:+.2f} % is out of the ordinary"
        )
        yield Anomaly(bar.venue, bar.symbol, AnomalyKind.PRICE, time, percent, limit, "%", reason)

    def _burst(self, state: SymbolState, bar: Bar, time: int) -> Iterator[Anomaly]:
        if state.bursting or len(state.counts) < self._settings.min_minutes:
            return
        usual, bound = self._burst_bound(state)
        if log1p(bar.trades) < bound:
            return
        state.bursting = True
        limit = exp(bound) - 1
        reason = f"{bar.trades:,} trades within a minute, where {exp(usual) - 1:,.0f} are usual"
        yield Anomaly(bar.venue, bar.symbol, AnomalyKind.RATE, time, float(bar.trades), limit, "trades/min", reason)

    def _spreads(self, quotes: QuoteBatch) -> Iterator[Anomaly]:
        # Of each instrument its last row: the newest quote is the one that counts.
        for index, row in sorted(dict(zip(quotes.instrument.tolist(), range(len(quotes)), strict=True)).items()):
            instrument, time = quotes.instruments[index], int(quotes.receive_time[row])
            state = self._of(instrument.venue, instrument.symbol)
            bid, ask = int(quotes.bid_price[row]), int(quotes.ask_price[row])
            if not 0 < bid <= ask or 0 <= time - state.sampled < self._settings.sample_seconds * SECOND:
                continue
            state.sampled = time
            yield from self._spread(state, instrument.venue, instrument.symbol, 2e4 * (ask - bid) / (ask + bid), time)

    def _spread(self, state: SymbolState, venue: str, symbol: str, spread: float, time: int) -> Iterator[Anomaly]:
        """Look at a spread in basis points of the middle."""
        settings = self._settings
        if len(state.spreads) >= settings.min_samples:
            usual, deviation = state.spreads.level()
            bound = max(usual + settings.spread_deviations * deviation, settings.spread_multiple * usual)
            state.wide = state.wide + 1 if spread > bound else 0 if spread < bound / 2 else min(state.wide, 1)
            state.spread_told &= spread >= bound / 2
            if state.wide >= settings.spread_looks and not state.spread_told:
                state.spread_told = True
                reason = f"bid and ask lie {spread:.1f} bp apart, where {usual:.1f} bp are usual"
                yield Anomaly(venue, symbol, AnomalyKind.SPREAD, time, spread, bound, "bp", reason)
        state.spreads.add(spread, limit=settings.samples)

    def _hear(self, trades: TradeBatch) -> None:
        for index in np.unique(trades.instrument[(trades.flags & NOT_LIVE) == 0]).tolist():
            venue, symbol, *_ = trades.instruments[index]
            state = self._of(venue, symbol)
            state.heard, state.silent = self._listened, False

    def _silent(self, now: int) -> Iterator[Anomaly]:
        settings = self._settings
        for venue, symbol in sorted(key for key, state in self._symbols.items() if not state.silent):
            state = self._symbols[venue, symbol]
            seconds = (self._listened - state.heard) / SECOND
            if seconds < settings.silence_seconds or len(state.counts) < settings.min_minutes:
                continue
            # What is kept as float16 comes back with three digits.
            usual = float(f"{exp(state.counts.level()[0]) - 1:.2g}")
            if usual < settings.silence_rate:
                continue
            state.silent = True
            reason = f"no trade for {seconds:.0f} s, where {usual:,.0f} a minute are usual"
            bound = float(settings.silence_seconds)
            yield Anomaly(venue, symbol, AnomalyKind.SILENCE, now, seconds, bound, "s", reason)
