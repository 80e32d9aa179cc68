"""Fixtures that every tier shares."""

import os
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--emulator",
        type=lambda choice: choice.rstrip("/"),
        default=os.environ.get("TICKWIRE_TEST_ENDPOINT") or "ministack",
        help="AWS for the integration tests: ministack (the default), localstack (made by `make setup-localstack`), or"
        " the address of a LocalStack that runs, which TICKWIRE_TEST_ENDPOINT may name too",
    )


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real captures and candles, which is not part of the project.

    ``TICKWIRE_REALDATA`` names it; without that it is looked for beside the checkout.
    """
    folder = Path(os.environ.get("TICKWIRE_REALDATA", Path(__file__).parents[2] / "shared" / "realdata"))
    if not (folder / "captures").is_dir():
        pytest.skip(f"no real market data at {folder}; set TICKWIRE_REALDATA to its folder")
    return folder
