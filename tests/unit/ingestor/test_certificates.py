"""A socket is opened to the exchange alone, not to who sits in its place."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from ecs_tasks.ingestor.task import IngestorTask

from .conftest import FakeExchange, self_signed, serving


class Nothing:
    """Sends no dead frames."""

    async def send(self, frames: list[Any]) -> list[str | None]:
        return [None] * len(frames)


@pytest.fixture
async def impostor(tmp_path: Path) -> Any:
    """An exchange with the right name on a certificate that nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    async with serving(FakeExchange(scheme="wss"), context=context) as fake:
        yield fake


async def test_a_certificate_that_nobody_vouches_for_is_refused(impostor: Any, stream: Any, tiny: Any) -> None:
    task = IngestorTask(
        tiny.settings_for(impostor.url), put=stream.put, send=Nothing().send, new_feed=lambda _: tiny.Feed()
    )
    (connection,) = task.connections
    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
        await connection._connect()
    assert impostor.paths == []
