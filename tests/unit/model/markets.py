"""Markets made up for the model's tests: one that can be predicted a little, and one that cannot."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from local.sagemaker.capture import Message, capture_line
from tickwire.features.bar_grid import COLUMNS
from tickwire.model.arrow_bodies import CONTENT_TYPE, rows_stream
from tickwire.model.bars import BarColumns
from tickwire.model.features import SCHEMA
from tickwire.model.rows import labelled_rows

INTERVAL = 900 * 1_000_000_000
BARS_A_DAY = 96
END = int(datetime(2026, 11, 27, tzinfo=UTC).timestamp()) * 1_000_000_000


def market(days: int, *, skill: float, seed: int, end: int = END, symbol: str = "BTC-USD") -> pa.Table:
    """Bars of whole days before ``end``, ns UTC, of one instrument of venue `kraken`.

    With ``skill`` above 0 a bar's move leans towards the share of the volume that was bought in the bar before, by that
    many standard deviations at the extremes; with 0 it is a random walk, whatever was bought.
    """
    random = np.random.default_rng(seed)
    n = days * BARS_A_DAY
    bought = random.uniform(0.1, 0.9, n)
    moves = 0.002 * random.standard_normal(n)
    moves[1:] += 0.002 * skill * (bought[:-1] - 0.5) / 0.4
    close = 30_000 * np.exp(np.cumsum(moves))
    opening = np.concatenate([[30_000.0], close[:-1]])
    volume = random.lognormal(2, 0.5, n)
    spread = 1 + 0.0005 * random.uniform(0, 1, n)
    return pa.table(
        {
            "venue": ["kraken"] * n,
            "symbol": [symbol] * n,
            "start": end - INTERVAL * np.arange(n, 0, -1),
            "open": opening,
            "high": np.maximum(opening, close) * spread,
            "low": np.minimum(opening, close) / spread,
            "close": close,
            "volume": volume,
            "buy_volume": volume * bought,
            "notional": volume * (opening + close) / 2,
            "trades": random.integers(1, 500, n),
        }
    )


def split(bars: pa.Table, *, holdout_days: int) -> dict[str, pa.Table]:
    """The parts of a dataset, as a training run gets them."""
    first = len(bars) - holdout_days * BARS_A_DAY
    return {"train": bars.slice(0, first), "holdout": bars.slice(first)}


def bars_of(table: pa.Table) -> BarColumns:
    """The bars of a market of one instrument, as they are read back from files."""
    columns = {name: table[name].to_numpy().astype(np.float64) for name in COLUMNS}
    return BarColumns(table["venue"][0].as_py(), table["symbol"][0].as_py(), table["start"].to_numpy(), **columns)


def captured(bars: pa.Table, *, since: int, turned: bool = False) -> bytes:
    """The capture of a request a day for the rows of a market that start at or after ``since``, ns UTC.

    ``turned`` : with every feature's sign changed, so that what a model has learnt leads it astray
    """
    rows = labelled_rows([bars_of(bars)])
    rows = rows.take(rows.start >= since)
    lines = []
    for first in range(0, len(rows), BARS_A_DAY):
        some = rows.take(np.arange(first, min(first + BARS_A_DAY, len(rows))))
        venue, symbol = ([bars[name][0].as_py()] * len(some) for name in ("venue", "symbol"))
        beside = {"venue": venue, "symbol": symbol, "time": some.start + INTERVAL}
        body = rows_stream(some.windows() * (-1 if turned else 1), schema=SCHEMA, beside=beside)
        asked = Message(CONTENT_TYPE, body)
        lines.append(capture_line({"CaptureOptions": [{"CaptureMode": "Input"}]}, asked, asked, at=datetime.now(UTC)))
    return b"".join(lines)


def written(bars: pa.Table, folder: Path) -> Path:
    """Write bars as Athena does, into a file without a suffix, and give its folder."""
    folder.mkdir(parents=True)
    pq.write_table(bars, folder / "20261127_020000_00001_abcde")
    return folder
