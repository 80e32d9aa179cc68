"""The named queries on a lake that writer and committer have filled, against pandas."""

import json
import os
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tickwire.cli.main import main
from tickwire.model.plan import DatasetSpan, bars_query

from .lakes import DAY, Lake, Market

pytestmark = pytest.mark.services("glue", "s3")

RANGE = ("--param", "start=2024-08-08T00:00:00Z", "--param", "end=2024-08-08T03:00:00Z")
SYMBOLS = ("--param", "symbols=BTC-USD,ETH-USD")


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(seed=7)


@pytest.fixture(scope="module")
def stored() -> list[Lake]:
    """The lake of the first test that needed one; queries change nothing."""
    return []


@pytest.fixture
def run(
    aws: str, market: Market, stored: list[Lake], tmp_path: Path, monkeypatch, capsys
) -> Callable[..., pd.DataFrame]:
    """Run a named query by its command against a lake that holds the market."""
    monkeypatch.delenv("TICKWIRE_DATABASE_URL", raising=False)
    if not stored:
        stored.append(Lake(f"lake-{uuid.uuid4().hex[:8]}"))
        market.store(stored[0])
    (lake,) = stored
    state = {"pid": os.getpid(), "endpoint_url": aws, "lake_bucket": lake.bucket, "lake_database": lake.database}
    (tmp_path / "run.json").write_text(json.dumps(state))

    def query(name: str, *arguments: str) -> pd.DataFrame:
        assert main(["query", "--named", name, "--folder", str(tmp_path), "--json", *arguments]) == 0
        return pd.DataFrame(json.loads(capsys.readouterr().out))

    return query


@pytest.fixture
def ask(run, tmp_path: Path, capsys) -> Callable[[str], pd.DataFrame]:
    """Ask the same lake by a statement."""

    def query(sql: str) -> pd.DataFrame:
        assert main(["query", sql, "--folder", str(tmp_path), "--json"]) == 0
        return pd.DataFrame(json.loads(capsys.readouterr().out))

    return query


def exact(column: pd.Series) -> list[Decimal]:
    return [Decimal(str(value)) for value in column]


def hours(trades: pd.DataFrame) -> pd.Series:
    return pd.to_datetime(trades["exchange_time_ns"] // 3_600_000_000_000 * 3_600, unit="s")


def by(trades: pd.DataFrame, *keys: Any) -> Any:
    return trades.groupby(list(keys), sort=True)


def test_trades_are_every_one_of_the_symbols_and_the_range(run, market):
    found = run("trades", "--param", "symbols=ETH-USD", "--param", "start=2024-08-08T01:00:00Z", *RANGE[2:])
    trades = market.trades
    wanted = trades[(trades.symbol == "ETH-USD") & (trades.exchange_time_ns >= DAY + 3_600_000_000_000)]
    assert found.trade_id.tolist() == wanted.trade_id.tolist()
    assert exact(found.price) == wanted.price.tolist()
    assert found.exchange_time_ns.tolist() == wanted.exchange_time_ns.tolist()


@pytest.mark.parametrize("seconds", [60, 900, 3600])
def test_bars_are_those_of_pandas(run, market, seconds):
    found = run("bars", *SYMBOLS, "--param", f"seconds={seconds}", *RANGE)
    trades = market.trades
    trades = trades[trades.symbol.isin(["BTC-USD", "ETH-USD"])].sort_values("trade_id")
    start = pd.to_datetime(trades.exchange_time_ns // (seconds * 10**9) * seconds, unit="s")
    grouped = by(trades.assign(start=start), "venue", "symbol", "start")
    assert pd.to_datetime(found.start).dt.tz_localize(None).tolist() == [key[2] for key, _ in grouped]
    assert found.venue.tolist() == [key[0] for key, _ in grouped]
    assert exact(found.open) == grouped.price.first().tolist()
    assert exact(found.high) == grouped.price.max().tolist()
    assert exact(found.low) == grouped.price.min().tolist()
    assert exact(found.close) == grouped.price.last().tolist()
    assert exact(found.volume) == grouped["size"].sum().tolist()
    assert exact(found.buy_volume) == [sum(bar.loc[bar.side == "buy", "size"], Decimal(0)) for _, bar in grouped]
    assert found.trades.tolist() == grouped.size().tolist()
    assert found.first_id.tolist() == grouped.trade_id.min().tolist()
    assert found.last_id.tolist() == grouped.trade_id.max().tolist()
    vwap = [sum(bar.price * bar["size"]) / sum(bar["size"]) for _, bar in grouped]
    assert found.vwap.astype(float).tolist() == pytest.approx([float(value) for value in vwap], rel=1e-12)


def test_the_bars_of_the_nightly_training_are_the_same_ones(run, market, ask):
    bars = run("bars", *SYMBOLS, "--param", "seconds=900", *RANGE)
    sql = bars_query("trades", end=datetime(2024, 8, 9, tzinfo=UTC), span=DatasetSpan(train_days=1, holdout_days=0))
    trained = ask(f"SELECT * FROM ({sql}) ORDER BY venue, symbol, start")
    assert (trained.start // 10**9).tolist() == [moment.timestamp() for moment in pd.to_datetime(bars.start, utc=True)]
    for name in ("open", "high", "low", "close", "volume", "buy_volume", "trades"):
        assert trained[name].astype(float).tolist() == pytest.approx(bars[name].astype(float).tolist()), name


def test_volume_is_by_venue_and_hour_with_the_part_that_was_bought(run, market):
    found = run("volume_by_venue_and_hour", *RANGE)
    grouped = by(market.trades.assign(hour=hours(market.trades)), "hour", "venue", "symbol")
    assert list(zip(pd.to_datetime(found.hour).dt.tz_localize(None), found.venue, found.symbol, strict=True)) == [
        key for key, _ in grouped
    ]
    assert exact(found.volume) == grouped["size"].sum().tolist()
    assert found.trades.tolist() == grouped.size().tolist()
    shares = [float(sum(rows.loc[rows.side == "buy", "size"], Decimal(0)) / sum(rows["size"])) for _, rows in grouped]
    assert found.buy_share.astype(float).tolist() == pytest.approx(shares, rel=1e-12)


def test_the_largest_trades_are_those_of_the_highest_notional(run, market):
    found = run("largest_trades", "--param", "rows=5", *RANGE)
    trades = market.trades.assign(notional=market.trades.price * market.trades["size"])
    largest = trades.sort_values("notional", ascending=False).head(5)
    assert found.trade_id.tolist() == largest.trade_id.tolist()
    assert found.venue.tolist() == largest.venue.tolist()


def test_completeness_counts_the_ids_that_were_left_out_in_the_hour_where_they_belong(run, market):
    found = run("completeness_by_hour", *RANGE)
    missing = found.groupby(["venue", "symbol"]).missing.sum().to_dict()
    assert missing == {**dict.fromkeys(market.instruments, 0), **{key: len(ids) for key, ids in market.missing.items()}}
    (key,) = market.missing
    hour = found[(found.venue == key[0]) & (found.symbol == key[1]) & (found.missing > 0)]
    assert pd.to_datetime(hour.hour).dt.hour.tolist() == [1]
    assert found.repeated.sum() == 0
    assert found.stored.sum() == len(market.trades)


def test_venues_that_disagree_are_shown_with_how_far(run, market):
    found = run("venue_price_disagreement", "--param", "seconds=900", *RANGE)
    trades = market.trades.assign(start=market.trades.exchange_time_ns // (900 * 10**9))
    closes = by(trades.sort_values("trade_id"), "symbol", "start", "venue").price.last()
    expected = []
    for (symbol, _), prices in closes.groupby(level=["symbol", "start"]):
        if len(prices) > 1:
            low, high = min(prices), max(prices)
            expected.append((symbol, len(prices), low, high, float((high - low) / low * 10_000)))
    assert len(expected) > 5
    assert found.symbol.tolist() == [row[0] for row in expected]
    assert found.venues.tolist() == [row[1] for row in expected]
    assert exact(found.lowest) == [row[2] for row in expected]
    assert exact(found.highest) == [row[3] for row in expected]
    assert found.basis_points.astype(float).tolist() == pytest.approx([row[4] for row in expected], rel=1e-9)


def test_vwap_weighs_prices_by_volume(run, market):
    found = run("vwap", "--param", "symbols=BTC-USD", *RANGE)
    grouped = by(market.trades[market.trades.symbol == "BTC-USD"], "venue", "symbol")
    vwap = [float(sum(rows.price * rows["size"]) / sum(rows["size"])) for _, rows in grouped]
    assert found.vwap.astype(float).tolist() == pytest.approx(vwap, rel=1e-12)
    assert exact(found.volume) == grouped["size"].sum().tolist()


def test_no_trade_is_there_twice(run):
    assert run("repeated_trades", *RANGE).empty


def test_the_list_names_every_query_and_the_command_says_what_is_wrong(capsys):
    assert main(["query", "--list"]) == 0
    assert "vwap\n  VWAP: the volume-weighted average price" in capsys.readouterr().out
    assert main(["query", "--named", "bar"]) == 1
    assert "no named query 'bar'; there are bars" in capsys.readouterr().err
    assert main(["query", "SELECT 1", "--param", "a=b"]) == 1
    assert "--param is for --named" in capsys.readouterr().err
