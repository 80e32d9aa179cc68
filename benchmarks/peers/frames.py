"""The frames that a peer is given, and what they say."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

Trade = tuple[str, int, int, int, str, int]
"""Canonical symbol, id, price and size in units of 10**-8, aggressor's side (``buy``, ``sell``), time (ns UTC)."""

UNIT = Decimal(10) ** 8


@dataclass(frozen=True, slots=True)
class Sample:
    """Frames of one feed, and the trade in each of them."""

    frames: Sequence[bytes]
    trades: Sequence[Trade]

    @property
    def symbols(self) -> list[str]:
        """The canonical symbols, each once."""
        return list(dict.fromkeys(trade[0] for trade in self.trades))


def save(folder: Path, frames: Iterable[bytes], trades: Iterable[Trade]) -> None:
    """Write a sample for a peer."""
    (folder / "frames.jsonl").write_bytes(b"\n".join(frames))
    (folder / "trades.json").write_text(json.dumps(list(trades)))


def load(folder: str) -> Sample:
    """Read what :func:`save` wrote."""
    frames = (Path(folder) / "frames.jsonl").read_bytes().split(b"\n")
    trades = [(s, i, p, q, side, t) for s, i, p, q, side, t in json.loads((Path(folder) / "trades.json").read_text())]
    return Sample(frames, trades)


def assert_agree(got: Sequence[Trade], sample: Sample, *, resolution: int = 1, makers_side: bool = False) -> None:
    """Check what a peer made of the frames against what was written into them.

    Parameters
    ----------
    resolution : ns that the peer's times can tell apart
    makers_side : whether the peer gives the maker's side as the trade's, so that each is the other one

    Raises
    ------
    AssertionError
        With the first trade that differs.
    """
    assert len(got) == len(sample.trades), f"{len(got)} trades, not {len(sample.trades)}"
    other = {"buy": "sell", "sell": "buy"}
    for mine, (symbol, number, price, size, side, time) in zip(got, sample.trades, strict=True):
        side = other[side] if makers_side else side
        expected = (symbol, number, price, size, side, time // resolution * resolution)
        assert mine == expected, f"{mine}, not {expected}"
