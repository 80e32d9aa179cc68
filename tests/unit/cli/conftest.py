"""Small captures in Binance's format, and the command run in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tickwire.cli.main import main


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def tickwire(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Call ``tickwire`` with these arguments."""

    def call(*arguments: object) -> Outcome:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def binance_trade() -> Callable[..., bytes]:
    """Give trade frames by id: 2026-07-07T23:00:00Z plus a millisecond an id, with fields changed by name."""
    return _binance_trade


def _binance_trade(trade_id: int, **changes: object) -> bytes:
    fields = {
        "e": "trade",
        "E": 1783465200000 + trade_id % 1_000_000,
        "s": "BTCUSDT",
        "t": trade_id,
        "p": "63551.02000000",
        "q": "0.00317000",
        "T": 1783465200000 + trade_id % 1_000_000,
        "m": True,
        "M": True,
    }
    return json.dumps({"stream": "btcusdt@trade", "data": fields | changes}).encode()


@pytest.fixture
def capture(tmp_path: Path) -> Callable[..., Path]:
    """Write a capture of these frames."""

    def write(*frames: bytes, name: str = "capture.ndjson") -> Path:
        path = tmp_path / name
        path.write_bytes(b"".join(frame + b"\n" for frame in frames))
        return path

    return write
