"""``tickwire evaluate`` and ``tickwire backtest`` on candles with a little in them that can be known."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from tests.unit.model.markets import INTERVAL, market
from tickwire.features.bar_features import FEATURES
from tickwire.model.candles import read_candles
from tickwire.model.rows import labelled_rows

Tickwire = Callable[..., Any]
FAST = ("--models", "logistic", "--folds", "2")


def candles(folder: Path, days: int = 40, *, skill: float = 0.5, name: str = "BTCUSDT-15m.parquet") -> Path:
    """A market as a file of Binance's klines."""
    table = market(days, skill=skill, seed=7).to_pandas()
    path = folder / name
    pd.DataFrame(
        {
            "open_time": table["start"] // 1_000_000,
            **{column: table[column] for column in ("open", "high", "low", "close", "volume")},
            "quote_volume": table["volume"] * table["close"],
            "trades": table["trades"],
            "taker_buy_base": table["buy_volume"],
        }
    ).to_parquet(path)
    return path


@pytest.fixture
def honest(tmp_path: Path) -> Path:
    """A market in which a regression is right in 53 to 55 % of the bars."""
    return candles(tmp_path, skill=0.2)


@pytest.fixture
def model(tickwire: Tickwire, tmp_path: Path) -> Path:
    """A regression that has left the newest half untouched."""
    out = tmp_path / "model"
    path = candles(tmp_path, 40)
    options = ("--model", "logistic", "--folds", "1", "--untouched", "0.5")
    assert tickwire("train", "--candles", path, "--out", out, *options).code == 0
    return out


def test_every_model_stands_beside_the_baselines_with_bounds(tickwire: Tickwire, honest: Path) -> None:
    done = tickwire("evaluate", "--candles", honest, "--models", "logistic,lightgbm", "--folds", "2", "--json")
    assert done.code == 0, done.err
    report = done.json
    assert [one["name"] for one in report["models"]] == ["base-rate", "rule", "logistic", "lightgbm"]
    assert report["instruments"] == ["binance:BTC-USDT"]
    assert sum(fold["judge"] for fold in report["folds"]) == report["rows"]
    for one in report["models"]:
        accuracy = one["scores"]["accuracy"]
        assert 0.4 < accuracy["low"] <= accuracy["value"] <= accuracy["high"] < 0.6
    assert "fold 2 of 2: lightgbm" in done.err


def test_without_json_there_are_tables_and_the_report_can_be_kept(
    tickwire: Tickwire, honest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report"
    done = tickwire("evaluate", "--candles", honest, *FAST, "--out", out)
    assert done.code == 0, done.err
    assert "| logistic, every bar |" in done.out
    assert (out / "evaluation.md").read_text() == done.out
    assert json.loads((out / "evaluation.json").read_text())["rows"] > 2_000


def test_a_model_too_good_to_be_true_is_told_and_fails_the_command(tickwire: Tickwire, tmp_path: Path) -> None:
    done = tickwire("evaluate", "--candles", candles(tmp_path, skill=0.8), *FAST)
    assert done.code == 1
    assert "| logistic LEAK? |" in done.out
    assert "LEAK? logistic: an accuracy above 56%" in done.out


def test_with_json_the_sentence_goes_to_standard_error(tickwire: Tickwire, tmp_path: Path) -> None:
    done = tickwire("evaluate", "--candles", candles(tmp_path, skill=0.8), *FAST, "--json")
    assert done.code == 1
    assert [one["leak"] for one in done.json["models"]] == [False, False, True]
    assert "LEAK? logistic: an accuracy above 56%" in done.err


def test_quick_is_one_fold(tickwire: Tickwire, honest: Path) -> None:
    done = tickwire("evaluate", "--candles", honest, "--models", "logistic", "--quick", "--json")
    assert len(done.json["folds"]) == 1


@pytest.mark.slow
def test_the_network_stands_in_the_table_too(tickwire: Tickwire, honest: Path) -> None:
    done = tickwire("evaluate", "--candles", honest, "--models", "lstm", "--quick", "--json")
    assert [one["name"] for one in done.json["models"]] == ["base-rate", "rule", "lstm"]
    assert "epoch 1 of 1" in done.err


def test_on_shuffled_labels_and_on_a_random_walk_nothing_is_found(tickwire: Tickwire, tmp_path: Path) -> None:
    # Where there is much to find, as the accuracy above 56 % shows.
    done = tickwire("evaluate", "--candles", candles(tmp_path, skill=0.8), *FAST, "--leak-test", "--json")
    assert done.code == 0, done.err
    assert [(one["test"], one["name"], one["passed"]) for one in done.json["leak_tests"]] == [
        (test, name, True) for test in ("shuffled labels", "random walk") for name in ("rule", "logistic")
    ]


def test_a_leak_fails_the_leak_test(tickwire: Tickwire, honest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tickwire.model import rows as module

    features = module.bar_features

    def peeking(grid: Any) -> Any:
        seen = features(grid)
        seen[:-1, FEATURES.index("imbalance")] += 0.3 * np.sign(np.diff(grid.close))
        return seen

    monkeypatch.setattr(module, "bar_features", peeking)
    done = tickwire("evaluate", "--candles", honest, *FAST, "--leak-test")
    assert done.code == 1
    assert "LEAK? found where there is nothing to find: logistic on random walk" in done.err


def test_a_stored_model_is_judged_beside_baselines_on_later_rows_only(
    tickwire: Tickwire, model: Path, tmp_path: Path
) -> None:
    done = tickwire("evaluate", "--candles", candles(tmp_path), "--model", model, "--models", "logistic", "--json")
    described = json.loads((model / "model.json").read_text())
    names = [one["name"] for one in done.json["models"]]
    assert names == ["base-rate", "rule", "logistic", f"logistic-regression {described['version']}"]
    assert done.json["first"] == described["trained"]["last"] + (97 + 96) * INTERVAL
    assert "judged on what came after it" in done.err


def test_a_stored_model_that_has_seen_the_candles_is_refused(tickwire: Tickwire, model: Path, tmp_path: Path) -> None:
    early = candles(tmp_path)
    table = pd.read_parquet(early)
    table[: len(table) // 2].to_parquet(early)
    for command in ("evaluate", "backtest"):
        done = tickwire(command, "--candles", early, "--model", model)
        assert done.code == 1
        assert "0 rows after what the model has learnt from" in done.err
        assert "give newer candles" in done.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--models", "oracle"), "there is no model oracle; there are base-rate, rule, logistic, lightgbm, lstm"),
        (("--folds", "0"), "--folds 0 is not between 1 and 20"),
        (("--epochs", "0"), "--epochs 0 is not between 1 and 1000"),
        (("--costs-bps", "-1"), "--costs-bps -1 is not between 0 and 1000"),
        (("--leak-test", "--model", "x"), "has no use for --model"),
        (("--model", "nowhere", *FAST), "nowhere/model.json"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    tickwire: Tickwire, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    done = tickwire("evaluate", "--candles", candles(tmp_path, 5), *options)
    assert done.code == 1
    assert reason in done.err
    assert done.err.count("\n") == 1


def test_too_few_candles_are_told(tickwire: Tickwire, tmp_path: Path) -> None:
    done = tickwire("evaluate", "--candles", candles(tmp_path, 3), *FAST)
    assert done.code == 1
    assert "too few candles for 2 folds" in done.err


# Backtest


def test_a_backtest_tells_its_trades_days_and_figures(tickwire: Tickwire, model: Path, tmp_path: Path) -> None:
    path = candles(tmp_path)
    done = tickwire("backtest", "--candles", path, "--model", model, "--costs-bps", "0.5", "--json")
    assert done.code == 0, done.err
    report = done.json
    assert report["fee"] + report["slippage"] == pytest.approx(0.00005)
    assert report["signals"]["entries"] == len(report["trades"]) > 10
    (bars,) = read_candles([path])
    close = dict(zip(bars.start.tolist(), bars.close.tolist(), strict=True))
    for trade in report["trades"]:
        # A time is the end of the bar whose close it is.
        assert trade["entry"] == close[trade["entered"] - INTERVAL]
        assert trade["exit"] == close[trade["left"] - INTERVAL]
        assert trade["net"] == pytest.approx(trade["gross"] - 0.0001)
        if trade["direction"] == 1:
            assert trade["gross"] == pytest.approx(trade["exit"] / trade["entry"] - 1)
    days = report["days"]
    assert days[-1]["signals"] - 1 == pytest.approx(report["signals"]["total"]["value"])
    assert len(days) == report["signals"]["days"]
    rows = labelled_rows([bars])
    assert report["rows"] == np.count_nonzero(rows.start >= report["trained_until"] + (97 + 96) * INTERVAL)


def test_costs_that_eat_every_move_leave_no_trade(tickwire: Tickwire, model: Path, tmp_path: Path) -> None:
    done = tickwire("backtest", "--candles", candles(tmp_path), "--model", model, "--costs-bps", "500")
    assert done.code == 0
    assert "No trade: no prediction's expected move was larger than a round trip's costs." in done.out
    assert "| buy and hold " in done.out


def test_the_plot_is_an_svg_of_both_tracks(tickwire: Tickwire, model: Path, tmp_path: Path) -> None:
    plot = tmp_path / "equity.svg"
    done = tickwire("backtest", "--candles", candles(tmp_path), "--model", model, "--costs-bps", "1", "--plot", plot)
    assert done.code == 0, done.err
    assert "trades," in done.out
    texts = {element.text for element in ElementTree.fromstring(plot.read_bytes()).iter() if element.text}
    assert {"trading signals, 1 bps a side", "bought and held"} <= texts


def test_a_plot_of_another_kind_is_refused(tickwire: Tickwire, model: Path, tmp_path: Path) -> None:
    done = tickwire("backtest", "--candles", candles(tmp_path), "--model", model, "--plot", tmp_path / "plot.png")
    assert done.code == 1
    assert "does not end with .svg" in done.err
