"""PostgreSQL with a base backup and an archive of its log, restored to any moment since, as Aurora does it."""

import os
import pwd
import shutil
import subprocess
import time
from datetime import datetime
from pathlib import Path

import psycopg

from local.postgres import LocalPostgres, PostgresFailed

_SECONDS = 60.0
_POLL_SECONDS = 0.02


class ArchivedPostgres:
    """A server whose log is archived as it is written; ``folder`` holds the server, the backup and the archive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._archive = folder / "archive"
        self._base = folder / "base"
        self._restores = 0
        self._user: str | None = None
        self._server = LocalPostgres(folder / "postgres")

    @property
    def url(self) -> str:
        """As ``LocalPostgres.url``."""
        return self._server.url

    def start(self) -> None:
        """Start it, and archive its log from then on."""
        self._server.start()
        self._user = self._server.system_user
        self._own(self._new_folder(self._archive))
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET archive_mode = 'on'")
            connection.execute(f"ALTER SYSTEM SET archive_command = 'cp %p {self._archive}/%f'")
        self._server.stop()
        self._server.start()

    def back_up(self) -> None:
        """Take a base backup while it runs."""
        self._own(self._new_folder(self._base))
        command = [
            self._server.program("pg_basebackup"),
            "-d",
            self.url,
            "-D",
            str(self._base),
            "-c",
            "fast",
            "-X",
            "none",
        ]
        done = subprocess.run(command, user=self._user, cwd=self._folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PostgresFailed(f"pg_basebackup: {done.stderr}")

    def destroy(self) -> None:
        """Lose the server and its data; backup and archive are elsewhere and stay."""
        path = self._server.folder
        self._server.stop()
        shutil.rmtree(path)

    def restore(self, moment: datetime) -> None:
        """Make a new server of the backup and the archived log, with everything committed up to ``moment``.

        Raises
        ------
        PostgresFailed
            If it is not ready within a minute.
        """
        self._restores += 1
        path = self._folder / f"restored-{self._restores}"
        # The library keeps the socket and the log among the data.
        shutil.copytree(self._base, path, ignore=shutil.ignore_patterns(".s.PGSQL.*", "log"))
        with (path / "postgresql.auto.conf").open("a") as settings:
            settings.write(
                f"restore_command = 'cp {self._archive}/%f %p'\n"
                f"recovery_target_time = '{moment.isoformat()}'\n"
                "recovery_target_action = 'promote'\n"
            )
        (path / "recovery.signal").touch()
        self._own(path)
        path.chmod(0o700)
        self._server = LocalPostgres(path)
        self._server.start()
        self._wait_until_it_takes_writes()

    def stop(self) -> None:
        """Stop it."""
        self._server.stop()

    def _wait_until_it_takes_writes(self) -> None:
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            self._server.check()
            with psycopg.connect(self.url, autocommit=True) as connection:
                row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            if row == (False,):
                return
            time.sleep(_POLL_SECONDS)
        raise PostgresFailed(f"PostgreSQL was still recovering after {_SECONDS:g} s")

    def _new_folder(self, path: Path) -> Path:
        path.mkdir(mode=0o700)
        return path

    def _own(self, path: Path) -> None:
        """Give a folder to the user that the server runs as, where that is another one than ours."""
        if self._user is None:
            return
        owner = pwd.getpwnam(self._user)
        for place in (path, *path.rglob("*")):
            os.chown(place, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
