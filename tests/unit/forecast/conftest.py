"""The endpoint that both clients of it are tried against."""

from collections.abc import Iterator

import pytest

from tests.unit.forecast.service import Service


@pytest.fixture
def service() -> Iterator[Service]:
    """A server of one test's own."""
    one = Service()
    yield one
    one.stop()
