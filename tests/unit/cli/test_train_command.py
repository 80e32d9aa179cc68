"""``tickwire train`` from candle files and datasets to a model's folder."""

import csv
import json
import sys
from pathlib import Path

import pytest

from tests.unit.model.markets import market, written
from tickwire.cli.main import main
from tickwire.model.features import SCHEMA
from tickwire.model.predictor import Predictor


def candles(folder: Path, days: int = 30) -> Path:
    bars = market(days, skill=0.5, seed=7).to_pydict()
    path = folder / "kraken_BTC-USD_15m.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["open_time", "open", "high", "low", "close", "volume", "taker_buy_base", "trades"])
        columns = [bars[name] for name in ("open", "high", "low", "close", "volume", "buy_volume", "trades")]
        rows.writerows(zip([start // 1_000_000 for start in bars["start"]], *columns, strict=True))
    return path


def test_candles_become_a_model_with_its_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "model"
    command = ["train", "--candles", str(candles(tmp_path)), "--out", str(out), "--model", "logistic", "--folds", "2"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert "walk-forward" in told.out
    assert "untouched" in told.out
    assert "fold 2 of 2" in told.err
    model = Predictor.load(out, expected=SCHEMA)
    # The last bar begins on the day before the market's end.
    assert model.description.version == "20261126"
    assert model.description.lineage is not None
    assert model.description.lineage.instruments == ("kraken:BTC-USD",)
    assert (out / "card.md").read_text().startswith("# logistic-regression 20261126\n")


def test_a_dataset_does_too_and_the_summary_may_be_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = written(market(30, skill=0.5, seed=7), tmp_path / "dataset")
    out = tmp_path / "model"
    options = ["--model", "logistic", "--untouched", "0", "--seed", "5", "--version", "mine", "--json"]
    assert main(["train", "--dataset", str(dataset), "--out", str(out), *options]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["description"]["version"] == "mine"
    assert summary["description"]["lineage"]["seed"] == 5
    assert "untouched_rows" not in summary["description"]["metrics"]
    assert summary["description"] == json.loads((out / "model.json").read_text())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--epochs", "0"], "Expected `int` >= 1 - at `$.epochs`"),
        (["--untouched", "0.9"], "Expected `float` <= 0.5 - at `$.untouched`"),
        (["--folds", "99"], "$.folds"),
    ],
)
def test_an_option_that_cannot_be_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], reason: str
) -> None:
    assert main(["train", "--candles", str(candles(tmp_path, 5)), "--out", str(tmp_path / "model"), *options]) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_too_little_is_told_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--candles", str(candles(tmp_path, 5)), "--out", str(tmp_path / "model")]) == 1
    assert "396 rows to learn from, and at least 1000 are needed" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_a_file_in_the_way_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = candles(tmp_path, 5)
    assert main(["train", "--candles", str(path), "--out", str(path)]) == 1
    assert "is no folder to write a model into" in capsys.readouterr().err


def test_without_tensorflow_one_sentence_names_the_extra(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert main(["train", "--candles", str(candles(tmp_path)), "--out", str(tmp_path / "model")]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == (
        "tickwire train: the network needs Keras and TensorFlow: pip install 'tickwire[train]' (or make setup-dev)"
    )
