"""A small market whose every trade is known: what the drill sends, and what must be stored in the end."""

from collections.abc import Iterator

from tickwire.columns import Side, TradeFlag, TradeRows
from tickwire.intervals import IntervalSet
from tickwire.partitions import partition_of
from tickwire.records import Header, Record, RecordKind
from tickwire.symbols import Instrument

SymbolKey = tuple[str, str]

PARTITIONS = 4
_INSTRUMENTS = (
    Instrument("binance", "BTC-USDT", 8, 8),
    Instrument("binance", "ETH-USDT", 8, 8),
    Instrument("coinbase", "BTC-USD", 8, 8),
    Instrument("kraken", "BTC-USD", 8, 8),
)
_TRADES = 40
"""Of one record, a second apart: bars of a minute close in each second record."""
_FIRST_TIME = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
_FIRST_ID = 1_001


class Market:
    """Sends a record of each symbol a round, with what goes wrong on a real day.

    Some rows break a rule, some records come twice, and some trades come rounds later from the
    venue's history. ``accepted`` and ``quarantined`` are the ids by symbol that must be stored and
    must not be.
    """

    def __init__(self) -> None:
        self._round = 0
        self._held: list[Record] = []
        self.accepted: dict[SymbolKey, IntervalSet] = {}
        self.quarantined: dict[SymbolKey, IntervalSet] = {}

    def rounds(self, count: int) -> Iterator[Record]:
        """Give the records of the next rounds; what is held back goes with the last."""
        for _ in range(count):
            for place, instrument in enumerate(_INSTRUMENTS):
                yield from self._records(place, instrument)
            self._round += 1
        held, self._held = self._held, []
        yield from held

    def _records(self, place: int, instrument: Instrument) -> Iterator[Record]:
        first = _FIRST_ID + self._round * _TRADES
        ids = range(first, first + _TRADES)
        key = instrument.venue, instrument.symbol
        turn = self._round + place
        bad = {first + 7} if turn % 4 == 1 else set()
        late = range(first + 20, first + 23) if turn % 5 == 2 else range(0)
        self.accepted.setdefault(key, IntervalSet()).add(first, first + _TRADES - 1)
        for trade_id in bad:
            self.accepted[key].remove(trade_id, trade_id)
            self.quarantined.setdefault(key, IntervalSet()).add(trade_id, trade_id)
        record = _record(instrument, [i for i in ids if i not in late], bad=bad)
        yield record
        if turn % 3 == 0:
            yield record
        if late:
            self._held.append(_record(instrument, list(late), flags=TradeFlag.BACKFILL))


def _record(
    instrument: Instrument, ids: list[int], *, bad: set[int] | None = None, flags: TradeFlag | int = 0
) -> Record:
    rows = TradeRows()
    for trade_id in ids:
        time = _FIRST_TIME + trade_id * 10**9
        rows.append(
            instrument,
            trade_id=trade_id,
            price=6_000_000_000_000 + trade_id % 17,
            size=0 if bad and trade_id in bad else 10_000 + trade_id % 13,
            side=Side.BUY if trade_id % 2 else Side.SELL,
            exchange_time=time,
            receive_time=time + 10**6,
            flags=int(flags),
        )
    partition = partition_of(instrument.venue, instrument.symbol, PARTITIONS)
    header = Header(RecordKind.RAW, partition, created=_FIRST_TIME + ids[-1] * 10**9)
    return Record(header=header, trades=rows.batch())
