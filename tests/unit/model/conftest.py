"""A trained model and the seed, each made once."""

from pathlib import Path

import pytest

from tests.unit.model.markets import market, split, written
from tickwire.model.archive import unpack
from tickwire.model.bars import BarColumns, read_bars
from tickwire.model.base_rate import base_rate_archive
from tickwire.model.features import SCHEMA
from tickwire.model.predictor import Predictor
from tickwire.model.rows import labelled_rows
from tickwire.model.schema import ModelDescription
from tickwire.model.training import Hyperparameters, train

HOLDOUT_DAYS = 20


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[BarColumns]]:
    """40 days to learn from and 20 to judge on, of a market that can be predicted a little."""
    tables = split(market(60, skill=0.5, seed=7), holdout_days=HOLDOUT_DAYS)
    folder = tmp_path_factory.mktemp("dataset")
    return {name: read_bars(written(table, folder / name)) for name, table in tables.items()}


@pytest.fixture(scope="session")
def trained(parts: dict[str, list[BarColumns]]) -> tuple[bytes, ModelDescription]:
    """The graph and the description of a regression of that market."""
    model = train(labelled_rows(parts["train"]), Hyperparameters(version="test", model="logistic"), bars=parts["train"])
    return model.graph, model.description


@pytest.fixture
def seed_folder(tmp_path: Path) -> Path:
    """The base rate as SageMaker unpacks it."""
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(base_rate_archive(SCHEMA))
    folder = tmp_path / "model"
    folder.mkdir()
    return unpack(archive, folder)


@pytest.fixture
def seed(seed_folder: Path) -> Predictor:
    """The base rate, loaded."""
    return Predictor.load(seed_folder, expected=SCHEMA)
