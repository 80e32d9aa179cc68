"""The whole local stack, started once a module that asks for it, and the captures that go through it."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from local.stack import LocalPlatform, Source

from .platform import Platform

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "dashboard" / "dist"
CAPTURES = (
    "binance_spot_btcusdt_20240808.gz",
    "binance_spot_ethusdt_20240808.gz",
    "coinbase_exchange_20260707.ndjson",
    "kraken_v2_20260707.ndjson",
)

StartPlatform = Callable[[Source], AbstractContextManager[Platform]]


@pytest.fixture(scope="session")
def captures(realdata: Path) -> list[Path]:
    """Recordings of three exchanges; no symbol is in two of them."""
    return [realdata / "captures" / name for name in CAPTURES]


@pytest.fixture(scope="session")
def run_folder() -> Iterator[Path]:
    """A folder for runs, which keeps the synthesised templates for all of them.

    Short, since PostgreSQL listens on a Unix socket in it.
    """
    with tempfile.TemporaryDirectory(prefix="tickwire-e2e-", ignore_cleanup_errors=True) as folder:
        # PostgreSQL runs as another user where the tests are run by root.
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def start_platform(run_folder: Path) -> StartPlatform:
    """Start a stack of one's own; it stops at the end of the ``with``, and leaves the environment as it was."""
    count = 0

    @contextmanager
    def start(source: Source) -> Iterator[Platform]:
        nonlocal count
        count += 1
        before = dict(os.environ)
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[name]
        stack = LocalPlatform(
            run_folder / f"stack-{count}", source=source, port=0, report=lambda name, seconds: None, dashboard=DASHBOARD
        )
        try:
            stack.start()
            yield Platform(stack)
        finally:
            stack.stop()
            os.environ.clear()
            os.environ.update(before)

    return start


def replay(captures: list[Path], *, speed: str) -> Source:
    """Give the source that plays captures, ``speed`` times faster than recorded, or ``max``."""
    arguments = ("--source", "replay", *map(str, captures), "--speed", speed)
    return Source("replay", arguments, replayed=True)
