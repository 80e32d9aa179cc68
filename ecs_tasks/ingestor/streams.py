"""Watches the single streams of a connection: one can die while its siblings on the socket go on."""

from dataclasses import dataclass

from ecs_tasks.ingestor.batcher import Added

MIN_SIGHTINGS = 20
"""Fewer say nothing about how often a stream speaks."""
LIQUID_FACTOR = 20.0
"""A stream is liquid if its mean gap is this many times shorter than the silence to judge by: were
its messages independent, such a silence would happen by chance once in e**20."""
_WEIGHT = 0.05


@dataclass(slots=True)
class _Stream:
    last: float
    mean_gap: float = 0.0
    sightings: int = 1


class StreamWatch:
    """Says which liquid stream, (symbol, ``trades`` or ``quotes``), fell silent while others speak.

    Times are monotonic seconds.
    """

    __slots__ = ("_silence", "_streams")

    def __init__(self, silence_seconds: float) -> None:
        self._silence = silence_seconds
        self._streams: dict[tuple[str, str], _Stream] = {}

    def observe(self, added: Added, now: float) -> None:
        """Note the streams that a hand-over held."""
        for seen in added.trades:
            self._sight((seen.instrument.symbol, "trades"), now)
        for instrument, _ in added.quotes:
            self._sight((instrument.symbol, "quotes"), now)

    def spoke(self) -> bool:
        """Say whether any stream has spoken on this connection."""
        return bool(self._streams)

    def liquid(self) -> frozenset[tuple[str, str]]:
        """Give the streams that speak often enough to be judged."""
        return frozenset(key for key, stream in self._streams.items() if self._is_liquid(stream))

    def never_seen(self, expected: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """Give those of ``expected`` that have not spoken on this connection."""
        return expected - self._streams.keys()

    def silent(self, now: float) -> tuple[str, str] | None:
        """Give a liquid stream that is silent too long while a sibling speaks, or None."""
        newest = max((stream.last for stream in self._streams.values()), default=now)
        if now - newest >= self._silence / 2:
            return None
        for key, stream in self._streams.items():
            if now - stream.last >= self._silence and self._is_liquid(stream):
                return key
        return None

    def forgive(self, now: float) -> None:
        """Begin every stream's silence anew, as after a pause of our own."""
        for stream in self._streams.values():
            stream.last = now

    def _sight(self, key: tuple[str, str], now: float) -> None:
        stream = self._streams.get(key)
        if stream is None:
            self._streams[key] = _Stream(now)
            return
        gap = now - stream.last
        stream.sightings += 1
        weight = max(_WEIGHT, 1 / (stream.sightings - 1))
        stream.mean_gap += weight * (gap - stream.mean_gap)
        stream.last = now

    def _is_liquid(self, stream: _Stream) -> bool:
        return stream.sightings >= MIN_SIGHTINGS and stream.mean_gap * LIQUID_FACTOR <= self._silence
