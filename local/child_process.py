"""A child process of the local run: started, heard, stopped by its process id."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tickwire.errors import TickwireError


class ChildFailed(TickwireError):
    """A child process ended, or did not say that it is ready in time."""


class ChildProcess:
    """Runs ``python -m module``; reads JSON events from its standard output, one a line.

    Standard error goes to a log file, whose tail is part of every error. The child gets a process
    group of its own, so that Ctrl-C in the terminal reaches only the run, which then stops its
    children in order.
    """

    def __init__(self, name: str, arguments: Sequence[str], *, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._arguments = [sys.executable, "-m", *arguments]
        self._environment = {**os.environ, **environment}
        self._log = log
        self._events: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises ChildFailed before :meth:`start`."""
        if self._process is None:
            raise ChildFailed(f"{self.name} was not started")
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll() if self._process is not None else None

    def start(self) -> None:
        """Start the process; does not wait for it to be ready."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                self._arguments,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        threading.Thread(target=self._listen, name=f"{self.name}-stdout", daemon=True).start()

    def _listen(self) -> None:
        process = self._process
        if process is None or process.stdout is None:
            return
        for line in process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                with self._changed:
                    self._events.append(event)
                    self._changed.notify_all()
        process.wait()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, event: str, *, seconds: float) -> dict[str, Any]:
        """Wait for the line ``{"event": event, …}`` and give it.

        Raises
        ------
        ChildFailed
            If the process ends first, or says nothing in time.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for seen in self._events:
                    if seen.get("event") == event:
                        return seen
                if self.returncode is not None:
                    raise ChildFailed(f"{self.name} ended with status {self.returncode}:\n{self.log_tail()}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ChildFailed(f"{self.name} was not ready within {seconds:.0f} s:\n{self.log_tail()}")
                self._changed.wait(min(left, 0.2))

    def stop(self, *, seconds: float = 10.0) -> int | None:
        """Ask it to stop (SIGTERM), kill it if it does not in time, and give its exit status."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        return process.returncode

    def log_tail(self, lines: int = 15) -> str:
        """Give the last lines of its standard error."""
        if not self._log.exists():
            return "(it logged nothing)"
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:]) or "(it logged nothing)"
