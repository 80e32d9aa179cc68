"""The mood of the market, from 0 (fear) to 100 (greed): a mean of five parts, each of which is shown.

=========== ====== ======================================================================= =========
part        weight value                                                                   scale s
=========== ====== ======================================================================= =========
momentum    0.30   log return of the last 15 minutes / (σ · √15)                           1
breadth     0.20   share of assets that rose in the last 15 minutes, a level one as half   –
imbalance   0.20   (bought - sold) / traded notional of the last 15 minutes                0.25
volatility  0.15   usual ln σ₁₅ less ln σ₁₅ of the last 15 minutes                         0.6
volume      0.15   (2 · breadth - 1) · max(0, ln V₁₅ less usual ln V₁₅)                    0.7
=========== ====== ======================================================================= =========

The score of a part is ``100 · Φ(value / s)``, Φ being the normal distribution function, and of breadth
``100 · value``: 50 where the value is neutral, always rising with it, and never beyond 0 and 100. The value of an asset
is the median of its symbols', that of the market the median of the assets': one venue or coin moves neither far. σ is
a minute's deviation and "usual" a mean of logarithms, both with weights that halve in a day. What is not known yet is
left out, and the other parts weigh more. The scales are about the deviations that these values have in real minutes and
quarters of an hour of BTC-USDT and ETH-USDT.

After CNN's Fear & Greed index (momentum, breadth, volatility) and that of alternative.me for crypto (volatility,
momentum with volume); both are daily, and neither names its formulas.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log, sqrt
from statistics import NormalDist, median
from typing import TypeAlias

import msgspec

from tickwire.conclusions import Sentiment, SentimentPart
from tickwire.detect.assets import base_and_quote, prices_an_asset
from tickwire.errors import UnreadableState

_VERSION = 1
_MINUTE = 60_000_000_000
WINDOW = 15
"""Minutes."""
WEIGHTS = {"momentum": 0.30, "breadth": 0.20, "imbalance": 0.20, "volatility": 0.15, "volume": 0.15}
SCALES = {"momentum": 1.0, "imbalance": 0.25, "volatility": 0.6, "volume": 0.7}
"""The value whose score is Φ(1), 84 of 100."""
_KEPT = exp(-log(2) / 1440)
"""What is left of a weight after a minute."""
_MIN_RETURNS = 10
_MIN_USUAL = 60
"""So many minutes come before σ, and before what is usual of 15 minutes, is known."""
_normal = NormalDist().cdf

Key: TypeAlias = tuple[str, str]
"""(venue, symbol)"""


class MinuteFacts(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a symbol's minute: prices and notionals in quote currency, ``start`` in ns UTC.

    ``bought`` is the notional of trades whose aggressor bought.
    """

    venue: str
    symbol: str
    start: int
    open: float
    close: float
    notional: float
    bought: float
    trades: int


class _Mean(msgspec.Struct, array_like=True):
    """A mean whose weights halve in a day, and of how many values."""

    total: float = 0.0
    weight: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.total, self.weight = self.total * _KEPT + value, self.weight * _KEPT + 1.0
        self.count += 1

    @property
    def value(self) -> float:
        return self.total / self.weight


class _Symbol(msgspec.Struct, array_like=True):
    """The last close, and of each of the last minutes the log return, the notional, and bought less sold."""

    close: float
    minutes: list[tuple[float, float, float]]
    variance: _Mean
    volatility: _Mean
    volume: _Mean


class _Packed(msgspec.Struct, array_like=True):
    minute: int
    symbols: list[tuple[str, str, _Symbol]]


@dataclass(slots=True)
class _Values:
    """What each part's value is of one symbol, None where it is not known."""

    change: float
    momentum: float | None
    imbalance: float
    volatility: float | None
    volume: float | None


@dataclass(slots=True)
class SentimentIndex:
    """The last minutes of any number of symbols."""

    _minute: int = 0
    _symbols: dict[Key, _Symbol] = field(default_factory=dict)

    def update(self, minute: int, facts: Iterable[MinuteFacts]) -> Sentiment | None:
        """Take in the minute that begins at ``minute`` (ns UTC), and give the mood at its end.

        Minutes come in rising order, each once; a symbol without facts did not trade. None where no symbol that is the
        price of a coin in money has traded within the window.
        """
        if minute - self._minute > WINDOW * _MINUTE:
            # Nobody knows what happened in between.
            self._symbols.clear()
        self._minute = minute
        traded = {(one.venue, one.symbol): one for one in facts if prices_an_asset(one.symbol)}
        for key in sorted(traded.keys() | self._symbols.keys()):
            self._advance(key, traded.get(key))
        values: dict[str, list[_Values]] = {}
        for (_, symbol), state in self._symbols.items():
            values.setdefault(base_and_quote(symbol)[0], []).append(_values(state))
            _learn(state)
        return _sentiment(minute + _MINUTE, values) if values else None

    def dump(self) -> bytes:
        """Give the bytes of the state, at most 0.5 kB a symbol; the same state always gives the same bytes."""
        symbols = [(*key, self._symbols[key]) for key in sorted(self._symbols)]
        return bytes([_VERSION]) + msgspec.msgpack.encode(_Packed(self._minute, symbols))

    @classmethod
    def load(cls, data: bytes) -> "SentimentIndex":
        """Read what :meth:`dump` gave.

        Raises
        ------
        UnreadableState
            If the bytes are of another version, or damaged.
        """
        if data[:1] != bytes([_VERSION]):
            raise UnreadableState(f"sentiment of version {data[:1].hex() or 'none'}; this code reads {_VERSION}")
        try:
            packed = msgspec.msgpack.decode(memoryview(data)[1:], type=_Packed)
        except msgspec.MsgspecError as error:
            raise UnreadableState(f"damaged state of sentiment: {error}") from error
        return cls(packed.minute, {(venue, symbol): state for venue, symbol, state in packed.symbols})

    def _advance(self, key: Key, facts: MinuteFacts | None) -> None:
        state = self._symbols.get(key)
        if state is None:
            assert facts is not None, "a symbol that is not known has traded"  # noqa: S101
            state = self._symbols[key] = _Symbol(facts.open, [], _Mean(), _Mean(), _Mean())
        if facts is None:
            state.minutes.append((0.0, 0.0, 0.0))
        else:
            signed = 2 * facts.bought - facts.notional
            state.minutes.append((log(facts.close / state.close), facts.notional, signed))
            state.close = facts.close
        del state.minutes[:-WINDOW]
        if not any(notional for _, notional, _ in state.minutes):
            del self._symbols[key]


def _values(state: _Symbol) -> _Values:
    number = len(state.minutes)
    # Rounded, so that a price that came back to where it was is level.
    change = round(sum(one for one, _, _ in state.minutes), 12)
    notional = sum(one for _, one, _ in state.minutes)
    momentum = volatility = volume = None
    if state.variance.count >= _MIN_RETURNS and state.variance.value > 0:
        momentum = change / sqrt(state.variance.value * number)
    squares = sum(one * one for one, _, _ in state.minutes)
    if state.volatility.count >= _MIN_USUAL and squares > 0:
        volatility = state.volatility.value - log(squares / number) / 2
    if state.volume.count >= _MIN_USUAL:
        volume = log(notional / number) - state.volume.value
    imbalance = sum(one for _, _, one in state.minutes) / notional
    return _Values(change, momentum, imbalance, volatility, volume)


def _learn(state: _Symbol) -> None:
    """Let the newest minute count for what is usual, once it was judged by what was usual before it."""
    state.variance.add(state.minutes[-1][0] ** 2)
    if len(state.minutes) < WINDOW:
        return
    squares = sum(one * one for one, _, _ in state.minutes)
    if squares > 0:
        state.volatility.add(log(squares / WINDOW) / 2)
    state.volume.add(log(sum(one for _, one, _ in state.minutes) / WINDOW))


def _sentiment(time: int, assets: Mapping[str, Sequence[_Values]]) -> Sentiment:
    changes = [median(one.change for one in values) for values in assets.values()]
    breadth = sum(0.5 if change == 0 else float(change > 0) for change in changes) / len(changes)
    known = {"momentum": _of_market(assets, "momentum"), "breadth": breadth}
    known |= {name: _of_market(assets, name) for name in ("imbalance", "volatility")}
    volume = _of_market(assets, "volume")
    known["volume"] = None if volume is None else (2 * breadth - 1) * max(0.0, volume)
    shown = {name: value for name, value in known.items() if value is not None}
    weights = sum(WEIGHTS[name] for name in shown)
    parts = tuple(
        SentimentPart(
            name, 100 * (value if name == "breadth" else _normal(value / SCALES[name])), WEIGHTS[name] / weights, value
        )
        for name, value in shown.items()
    )
    index = sum(part.score * part.weight for part in parts)
    return Sentiment(time, index, sum(map(len, assets.values())), parts)


def _of_market(assets: Mapping[str, Sequence[_Values]], name: str) -> float | None:
    """Give the median over assets of the median over an asset's symbols, of those that know it."""
    known = [[one for value in values if (one := getattr(value, name)) is not None] for values in assets.values()]
    medians = [median(some) for some in known if some]
    return median(medians) if medians else None
