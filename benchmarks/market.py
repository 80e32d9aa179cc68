"""Simulated trades as columns, many and fast: a random walk on a tick grid, a few busy symbols and many quiet ones."""

from dataclasses import dataclass, replace

import numpy as np

from tickwire.columns import Int64, Side, TradeBatch
from tickwire.symbols import instrument

PRICE_PLACES = 2
RATE = 2_300_000
"""Trades a second over all symbols: the load that the platform is made for."""
SLOW_RATE = 20_000
"""At this rate bars become final within a pass: the time simulated is then longer than their lateness."""
FULL_BATCH = 100_000
FIRST_TIME = 1_783_465_157_000_000_000
_SCALE = 10**8
_RESOLUTION = {"binance": 1_000_000, "okx": 1_000_000}
"""ns between two times that a feed can tell apart; 1 µs where nothing is said."""
_VENUES = {"coinbase-advanced": "coinbase"}
_SKEW = 0.9
"""The k-th busiest symbol trades in proportion to k ** -0.9."""


def symbol_names(count: int, *, feed: str) -> list[str]:
    """Give canonical symbols for so many simulated pairs, the busiest first."""
    quote = "USDT" if feed in ("binance", "okx") else "USD"
    return [f"T{k:04d}-{quote}" for k in range(count)]


def simulate(
    trades: int, symbols: int, *, feed: str = "binance", seed: int = 1, rate: int = RATE, start: int = FIRST_TIME
) -> TradeBatch:
    """Give ``trades`` trades in order of arrival, from ``start`` (ns UTC); each symbol's ids are contiguous and rise.

    Times are multiples of what the feed writes. Prices have two places and sizes five, in units of 10**-8.
    """
    random = np.random.default_rng(seed)
    weights = np.arange(1, symbols + 1) ** -_SKEW
    instrument_rows = random.choice(symbols, trades, p=weights / weights.sum()).astype(np.int32)
    first_price = (np.exp(random.uniform(np.log(5), np.log(60_000), symbols)) * 10**PRICE_PLACES).astype(np.int64)
    first_id = random.integers(10**8, 5 * 10**9, symbols)
    steps = random.choice([-1, 0, 0, 0, 0, 0, 1], trades)
    trade_id = np.empty(trades, np.int64)
    price = np.empty(trades, np.int64)
    order = np.argsort(instrument_rows, kind="stable")
    counts = np.bincount(instrument_rows, minlength=symbols)
    ends = np.cumsum(counts)
    for k in np.flatnonzero(counts).tolist():
        rows = order[ends[k] - counts[k] : ends[k]]
        trade_id[rows] = first_id[k] + np.arange(counts[k])
        price[rows] = np.maximum(first_price[k] + np.cumsum(steps[rows]), 1)
    size = np.clip((random.lognormal(-3, 1.8, trades) * 1e5).astype(np.int64), 1, None)
    resolution = _RESOLUTION.get(feed, 1_000)
    time = start + np.sort(random.integers(0, max(1, trades * 10**9 // rate), trades))
    venue = _VENUES.get(feed, feed)
    return TradeBatch(
        instruments=tuple(instrument(venue, name) for name in symbol_names(symbols, feed=feed)),
        instrument=instrument_rows,
        trade_id=trade_id,
        price=price * (_SCALE // 10**PRICE_PLACES),
        size=size * (_SCALE // 10**5),
        side=random.integers(Side.BUY, Side.SELL + 1, trades).astype(np.int8),
        exchange_time=time // resolution * resolution,
        receive_time=time + random.integers(2_000_000, 90_000_000, trades),
        flags=np.zeros(trades, np.int8),
    )


@dataclass(frozen=True, slots=True)
class Dirty:
    """Trades as a bad day brings them, and the truth about them.

    Attributes
    ----------
    batch : the rows in order of arrival
    good : rows of the clean batch that must come out, in its order
    bad, duplicates, lost : how many rows break a rule, come twice, and never come
    """

    batch: TradeBatch
    good: Int64
    bad: int
    duplicates: int
    lost: int


def soil(clean: TradeBatch, *, seed: int = 2) -> Dirty:
    """Move 1 % of the rows up to 500 later, let 1 % come twice, lose 0.05 %, and break 0.2 % by a price of zero."""
    random = np.random.default_rng(seed)
    n = len(clean)
    fate = random.random(n)
    lost, bad, twice, late = (
        np.flatnonzero((fate >= low) & (fate < high))
        for low, high in ((0, 0.0005), (0.0005, 0.0025), (0.0025, 0.0125), (0.0125, 0.0225))
    )
    position = np.arange(n, dtype=np.float64)
    position[late] += random.integers(1, 500, len(late)) + 0.5
    rows = np.concatenate([np.delete(np.arange(n), lost), twice])
    where = np.concatenate([np.delete(position, lost), position[twice] + random.integers(1, 500, len(twice)) + 0.25])
    price = clean.price.copy()
    price[bad] = 0
    batch = replace(clean, price=price).take(rows[np.argsort(where, kind="stable")])
    good = np.delete(np.arange(n), np.concatenate([lost, bad]))
    return Dirty(batch, good, len(bad), len(twice), len(lost))


def market_rate(batch: int) -> int:
    """Give the trades a second of a market that makes batches of so many rows: large ones come of the full load."""
    return RATE if batch >= FULL_BATCH else SLOW_RATE


def opening(trades: TradeBatch) -> TradeBatch:
    """Give one earlier trade of each symbol, a minute before: a state that has taken them in knows all symbols.

    What a symbol costs when it comes for the first time is not the cost of its trades.
    """
    _, rows = np.unique(trades.instrument, return_index=True)
    first = trades.take(rows)
    minute = 60 * 10**9
    return replace(
        first,
        trade_id=first.trade_id - 1,
        exchange_time=first.exchange_time - minute,
        receive_time=first.receive_time - minute,
    )


def narrowed(batch: TradeBatch) -> TradeBatch:
    """Give the batch with a table of only those instruments that it has trades of, as the ingestor's records have."""
    present, instrument = np.unique(batch.instrument, return_inverse=True)
    table = tuple(batch.instruments[row] for row in present.tolist())
    return replace(batch, instruments=table, instrument=instrument.astype(np.int32))


def cut(batch: TradeBatch, rows: int) -> list[TradeBatch]:
    """Cut a batch into batches of at most ``rows`` that share its table of instruments."""
    columns = [getattr(batch, name) for name in TradeBatch.COLUMNS]
    return [
        TradeBatch(batch.instruments, *(np.ascontiguousarray(column[at : at + rows]) for column in columns))
        for at in range(0, len(batch), rows)
    ]


def sorted_trades(batch: TradeBatch) -> TradeBatch:
    """Give the trades as the validator does, by instrument and id."""
    return batch.take(np.lexsort((batch.trade_id, batch.instrument)))


def assert_same_trades(got: TradeBatch, expected: TradeBatch) -> None:
    """Check that two batches say the same in the same order, whatever the order of their tables.

    Raises
    ------
    AssertionError
        If they do not.
    """
    assert len(got) == len(expected), f"{len(got)} trades, not {len(expected)}"
    table = {one: row for row, one in enumerate(expected.instruments)}
    rows = np.array([table[one] for one in got.instruments], np.int32)
    assert np.array_equal(rows[got.instrument], expected.instrument), "instruments differ"
    for name in TradeBatch.COLUMNS:
        if name != "instrument":
            assert np.array_equal(getattr(got, name), getattr(expected, name)), f"{name} differs"
