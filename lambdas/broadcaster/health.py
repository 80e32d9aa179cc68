"""What the topic ``health`` carries: how complete the data is, and what the feeds said. Light, as ``messages``."""

import msgspec

Order = tuple[int | str, ...]
"""Tells the newer of two data of one place, and the same one seen twice."""


class ProgressData(msgspec.Struct, frozen=True, tag_field="kind", tag="progress"):
    """The completeness of a symbol: the totals of :class:`tickwire.records.Progress`."""

    venue: str
    symbol: str
    first_id: int
    last_id: int
    accepted: int
    duplicates: int
    quarantined: int
    quarantined_ids: int
    missing: int
    missing_ranges: tuple[tuple[int, int], ...]
    time: int
    absent: int = 0

    @property
    def order(self) -> Order:
        """Whichever came last wins."""
        return ()


class GapData(msgspec.Struct, frozen=True, tag_field="kind", tag="gap"):
    """Missing ids: the fields of :class:`tickwire.records.Gap`."""

    venue: str
    symbol: str
    first: int
    last: int
    cause: str
    noticed: int
    after_time: int = 0
    before_time: int = 0

    @property
    def order(self) -> Order:
        """Ordered by when they were noticed."""
        return (self.noticed, self.first)


class HourData(msgspec.Struct, frozen=True):
    """How complete an hour is: :class:`tickwire.records.HourState`, ``start`` in ms UTC."""

    start: int
    trades: int
    missing: int
    absent: int
    quarantined: int


class GapStateData(msgspec.Struct, frozen=True):
    """What became of a gap: the fields of :class:`tickwire.records.GapState`, times in ns UTC."""

    first: int
    last: int
    cause: str
    noticed: int
    after_time: int
    before_time: int
    remaining: int
    live: int
    history: int
    absent: int
    quarantined: int
    closed: int


class ContinuityData(msgspec.Struct, frozen=True, tag_field="kind", tag="continuity"):
    """The last hours and gaps of a symbol, absolute: it replaces what was said of the symbol before."""

    venue: str
    symbol: str
    time: int
    hours: tuple[HourData, ...]
    gaps: tuple[GapStateData, ...]

    @property
    def order(self) -> Order:
        """Whichever came last wins."""
        return ()


class QuarantinedData(msgspec.Struct, frozen=True, tag_field="kind", tag="quarantined"):
    """A row that broke a rule: the fields of :class:`tickwire.records.Quarantined`."""

    key: str
    venue: str
    symbol: str
    trade_id: int
    rule: str
    detail: str
    price: str
    size: str
    side: int
    exchange_time: int
    receive_time: int

    @property
    def order(self) -> Order:
        """Ordered by when they came."""
        return (self.receive_time, self.key)


class NoticeData(msgspec.Struct, frozen=True, tag_field="kind", tag="notice"):
    """Something about a venue's feed: the fields of :class:`tickwire.records.Notice`.

    Its kind is ``notice``, since ``kind`` already tells the health items apart.
    """

    venue: str
    notice: str
    text: str
    count: int
    time: int

    @property
    def order(self) -> Order:
        """Ordered by when they came."""
        return (self.time, self.notice, self.text)


class LatencyData(msgspec.Struct, frozen=True, tag_field="kind", tag="latency"):
    """Medians in ms over ``records`` records: each stage since the one before it, and in total.

    The ingestor's counts from the newest receive time in a record; so does ``total``.
    """

    stage: dict[str, float]
    total: float
    records: int
    time: int

    @property
    def order(self) -> Order:
        """Whichever came last wins."""
        return ()


HealthData = ProgressData | GapData | ContinuityData | QuarantinedData | NoticeData | LatencyData
