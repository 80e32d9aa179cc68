"""Live bars by their definition, trade by trade, in plain Python: what the table of bars is held against."""

from collections import Counter
from decimal import Context, Decimal

from tickwire.columns import TradeBatch
from tickwire.records import Bar
from tickwire.symbols import Instrument

SECOND = 1_000_000_000
SNAPSHOT, BACKFILL, REDRIVEN = 1, 4, 8
LATENESS = {1: 10, 60: 60}

Trade = tuple[int, int, int, int, int, int, int]
"""Id, price, size, side, exchange time, receive time, flags."""


def trades_of(batch: TradeBatch) -> list[tuple[Instrument, Trade]]:
    columns = [getattr(batch, name).tolist() for name in batch.COLUMNS]
    return [(batch.instruments[index], trade) for index, *trade in zip(*columns, strict=True)]


def bar_of(instrument: Instrument, interval: int, trades: list[Trade], *, revision: int = 0, final: bool = True) -> Bar:
    """Add up the trades of one bar."""
    _, _, price_scale, size_scale = instrument
    trades = sorted(trades, key=lambda trade: trade[0])
    prices = [trade[1] for trade in trades]
    notional = sum(trade[1] * trade[2] for trade in trades)
    return Bar(
        venue=instrument.venue,
        symbol=instrument.symbol,
        interval=interval,
        start=trades[0][4] // (interval * SECOND) * (interval * SECOND),
        price_scale=price_scale,
        size_scale=size_scale,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=min(2**63 - 1, sum(trade[2] for trade in trades)),
        buy_volume=min(2**63 - 1, sum(trade[2] for trade in trades if trade[3] == 1)),
        notional=Decimal(notional).scaleb(-price_scale - size_scale, Context(prec=400)),
        trades=len(trades),
        first_id=trades[0][0],
        last_id=trades[-1][0],
        revision=revision,
        final=final,
        latest_receive=max(0 if trade[6] & (SNAPSHOT | BACKFILL | REDRIVEN) else trade[5] for trade in trades),
    )


class PlainBars:
    """The live bars of any number of symbols; keeps every trade of every open bar."""

    def __init__(self) -> None:
        self.scaled: dict[tuple[str, str], Instrument] = {}
        self.newest: dict[tuple[str, str], int] = {}
        self.closed: dict[tuple[str, str, int], int] = {}
        self.open: dict[tuple[str, str, int], dict[int, list[Trade]]] = {}
        self.revisions: Counter[tuple[str, str, int, int]] = Counter()

    def update(self, batch: TradeBatch) -> tuple[list[Bar], Counter[tuple[str, str, int, int]]]:
        """Give the bars that change, in order, and the late trades by (venue, symbol, interval, start)."""
        of_instrument: dict[Instrument, list[Trade]] = {}
        for instrument, trade in trades_of(batch):
            of_instrument.setdefault(instrument, []).append(trade)
        changed: list[Bar] = []
        late: Counter[tuple[str, str, int, int]] = Counter()
        for instrument, trades in sorted(of_instrument.items()):
            key = instrument[:2]
            scaled = self.scaled.setdefault(key, instrument)
            of_the_past = all(trade[6] & (BACKFILL | REDRIVEN) for trade in trades)
            if scaled != instrument and not of_the_past:
                for interval in LATENESS:
                    starts = sorted(self.open.get((*key, interval), ()))
                    changed += [self._give(scaled, interval, start, final=True) for start in starts]
                    if starts:
                        self.closed[*key, interval] = starts[-1] + interval * SECOND
                self.scaled[key] = instrument
            if self.scaled[key] == instrument:
                self.newest[key] = max(self.newest.get(key, 0), *(trade[4] for trade in trades))
            for interval, lateness in LATENESS.items():
                touched = set()
                for trade in trades:
                    start = trade[4] // (interval * SECOND) * (interval * SECOND)
                    if self.scaled[key] != instrument or start < self.closed.get((*key, interval), 0):
                        late[*key, interval, start] += 1
                    else:
                        self.open.setdefault((*key, interval), {}).setdefault(start, []).append(trade)
                        touched.add(start)
                if self.scaled[key] != instrument:
                    continue
                # A bar is final once the newest time has reached its end and the lateness.
                opened = self.open.get((*key, interval), {})
                until = self.newest[key] - (interval + lateness) * SECOND
                final = {start for start in opened if start <= until}
                changed += [self._give(instrument, interval, s, final=s in final) for s in sorted(touched | final)]
                first_open = (self.newest[key] - lateness * SECOND) // (interval * SECOND) * (interval * SECOND)
                self.closed[*key, interval] = max(self.closed.get((*key, interval), 0), first_open)
        return changed, late

    def _give(self, instrument: Instrument, interval: int, start: int, *, final: bool) -> Bar:
        opened = self.open[*instrument[:2], interval]
        trades = opened.pop(start) if final else opened[start]
        revisions, key = self.revisions, (*instrument[:2], interval, start)
        revisions[key] += 1
        return bar_of(
            instrument, interval, trades, revision=revisions.pop(key) if final else revisions[key], final=final
        )
