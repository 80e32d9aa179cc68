"""MiniStack, an emulator of AWS in one process, started for as long as a run or a test needs it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from local.ports import free_port
from tickwire.errors import TickwireError

REGION = "us-east-1"
# The emulator takes any key; these are what its own documentation uses.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.02
# It holds nothing that should outlive it, and would wait for as long as somebody has the page open.
_GRACE_SECONDS = 2.0
_KILL_SECONDS = 10.0
_LOG_TAIL_LINES = 20


class EmulatorFailed(TickwireError):
    """The emulator ended, or did not answer in time; the message holds the end of its log."""


class Emulator:
    """A MiniStack process on a free port of this machine, empty at the start and gone at the end.

    Lambda functions run as its children, in the interpreter (hence the virtual environment) that
    runs this code. They inherit its environment, so whatever ``environment`` adds, they see.

    Parameters
    ----------
    log
        Where the emulator and the functions write what they print; None makes a file in a
        temporary folder that is removed on :meth:`stop`.
    port
        A fixed port; 0 takes a free one.
    environment
        Added to this process' environment.
    """

    _health_path = "/_ministack/health"

    def __init__(self, *, log: Path | None = None, port: int = 0, environment: dict[str, str] | None = None) -> None:
        self._wanted_port = port
        self._environment = environment or {}
        self._log = log
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """The address of every service, as ``AWS_ENDPOINT_URL`` takes it."""
        return f"http://{_HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id.

        Raises
        ------
        EmulatorFailed
            If it was not started.
        """
        if self._process is None:
            raise EmulatorFailed("the emulator was not started")
        return self._process.pid

    @property
    def client_environment(self) -> dict[str, str]:
        """What another process must have in its environment to use the emulator."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.endpoint_url}

    @property
    def log(self) -> Path:
        """The file that the emulator writes to."""
        if self._log is None:
            raise EmulatorFailed("the emulator was not started")
        return self._log

    def start(self, *, seconds: float = 30.0) -> None:
        """Start it and wait until it answers.

        Raises
        ------
        EmulatorFailed
            If it ends or does not answer within ``seconds``, or if the port is taken.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="tickwire-emulator-"))
        if self._log is None:
            self._log = self._folder / "emulator.log"
        self.port = self._wanted_port or free_port()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                env={**os.environ, **self._settings(self._folder), **self._environment},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own: stopping it then reaches the functions that it started, and
                # Ctrl-C in a terminal does not stop it before what depends on it.
                start_new_session=True,
            )
        try:
            self._wait_until_healthy(time.monotonic() + seconds)
        except BaseException:
            self.stop()
            raise

    def check(self) -> None:
        """Raise EmulatorFailed if it was started and has ended."""
        if self._process is not None and (status := self._process.poll()) is not None:
            raise EmulatorFailed(f"the emulator ended with status {status}:\n{self.log_tail()}")

    def stop(self) -> None:
        """Stop it and its functions; does nothing where it was not started or has been stopped."""
        process, self._process = self._process, None
        if process is not None:
            _stop_group(process)
        folder, self._folder = self._folder, None
        if folder is not None:
            if self._log is not None and self._log.is_relative_to(folder):
                self._log = None
            shutil.rmtree(folder, ignore_errors=True)

    def log_tail(self, lines: int = _LOG_TAIL_LINES) -> str:
        """Give the last lines of the log."""
        if self._log is None or not self._log.exists():
            return "(it logged nothing)"
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:]) or "(it logged nothing)"

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "local.emulator_process"]

    def _settings(self, folder: Path) -> dict[str, str]:
        """Give what the process finds in its environment; all that it stores belongs below ``folder``."""
        return {
            **CREDENTIALS,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "BIND_HOST": _HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_HOST": _HOST,
            "MINISTACK_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            # Functions stay warm for a whole run; a cold start takes most of a second.
            "LAMBDA_WARM_TTL_SECONDS": "86400",
            "LOG_LEVEL": "INFO",
            "PERSIST_STATE": "0",
            "S3_PERSIST": "0",
            "STATE_DIR": f"{folder}/state",
            "S3_DATA_DIR": f"{folder}/s3",
            "TMPDIR": str(folder),
            # Listeners that Tickwire has no use for, on ports that another instance may hold.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "USE_SSL": "0",
            # No container is ever wanted, so none is to be looked for where Docker is installed.
            "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
        }

    def _wait_until_healthy(self, deadline: float) -> None:
        address = f"{self.endpoint_url}{self._health_path}"
        while time.monotonic() < deadline:
            self.check()
            try:
                with urllib.request.urlopen(address, timeout=1) as reply:
                    if reply.status == 200:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(_POLL_SECONDS)
        raise EmulatorFailed(f"the emulator did not answer in time:\n{self.log_tail()}")


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it started, by the group that it leads."""
    for wanted, seconds in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, _KILL_SECONDS)):
        try:
            os.killpg(process.pid, wanted)
        except ProcessLookupError:
            break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    # Children that outlived their parent still answer to the group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
