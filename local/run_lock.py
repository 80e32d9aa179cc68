"""One run a folder: a lock that the system releases when its holder dies, and the leftovers of one that did."""

import contextlib
import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO

from tickwire.errors import TickwireError


class AlreadyRunning(TickwireError):
    """Another run uses the same folder."""


class RunLock:
    """Held for the life of a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[str] | None = None

    def __enter__(self) -> "RunLock":
        self._folder.mkdir(parents=True, exist_ok=True)
        file = (self._folder / "lock").open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise AlreadyRunning(self._explain()) from error
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def _explain(self) -> str:
        page = ""
        with contextlib.suppress(OSError, ValueError, KeyError):
            page = f", its page is {json.loads((self._folder / 'run' / 'run.json').read_text())['page']}"
        holder = (self._folder / "lock").read_text().strip() or "unknown"
        return (
            f"another run (process {holder}) uses {self._folder}{page};"
            " stop it first, or choose another folder with --folder"
        )
