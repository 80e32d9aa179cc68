"""One server a model that some endpoint has, each a process of its own."""

import asyncio
import io
import shutil
import tarfile
import threading
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from local.child_process import ChildProcess
from local.ports import free_port
from local.sagemaker import objects
from local.sagemaker.faults import invalid

_START_SECONDS = 60.0
_POLL_SECONDS = 0.05
_MAX_UNPACKED_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A process that answers ``url``/invocations."""

    child: ChildProcess
    url: str

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.child.returncode is None


class ModelServers:
    """The servers by the name of their model; unpacked models stay in ``folder``, so that a restart needs no S3."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession) -> None:
        self._folder = folder
        self._http = http
        self._servers: dict[str, ModelServer] = {}
        self._starting: dict[str, asyncio.Task[ModelServer]] = {}

    async def serve(self, model: str, archive: str) -> ModelServer:
        """Give the model's server once it answers ``/ping``; it is started if it does not run.

        Raises
        ------
        ServiceError
            If the archive cannot be had, or its server does not come up; the message has the end of its log.
        """
        running = self._servers.get(model)
        if running is not None and running.alive:
            return running
        if model not in self._starting:
            task = asyncio.create_task(self._start(model, archive))
            self._starting[model] = task
            task.add_done_callback(lambda _: self._starting.pop(model, None))
        return await asyncio.shield(self._starting[model])

    async def keep_only(self, models: set[str]) -> None:
        """Stop the servers of all other models."""
        gone = [self._servers.pop(name) for name in list(self._servers) if name not in models]
        await asyncio.gather(*(asyncio.to_thread(server.child.stop) for server in gone))

    async def _start(self, model: str, archive: str) -> ModelServer:
        folder = await asyncio.to_thread(self._unpacked, model, archive)
        port = free_port()
        child = ChildProcess(
            f"model {model}",
            ["local.sagemaker.model_server", str(folder)],
            environment={"SAGEMAKER_BIND_TO_PORT": str(port)},
            log=self._folder / f"{model}.log",
        )
        child.start()
        server = ModelServer(child, f"http://127.0.0.1:{port}")
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._answers(server)
        except BaseException as error:
            await asyncio.to_thread(child.stop)
            if isinstance(error, TimeoutError):
                raise invalid(f"The model {model} did not pass the ping health check:\n{child.log_tail()}") from error
            raise
        self._servers[model] = server
        return server

    async def _answers(self, server: ModelServer) -> None:
        while True:
            if not server.alive:
                raise invalid(f"{server.child.name} ended before it passed the ping health check:\n"
                              f"{server.child.log_tail()}")  # fmt: skip
            try:
                async with self._http.get(f"{server.url}/ping") as reply:
                    if reply.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(_POLL_SECONDS)

    def _unpacked(self, model: str, archive: str) -> Path:
        folder = self._folder / model
        if folder.is_dir():
            return folder
        partial = self._folder / f".{model}.{threading.get_ident()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            with tarfile.open(fileobj=io.BytesIO(objects.read(archive)), mode="r:gz") as packed:
                if sum(member.size for member in packed) > _MAX_UNPACKED_BYTES:
                    raise invalid(f"{archive} unpacks to more than {_MAX_UNPACKED_BYTES} bytes")
                packed.extractall(partial, filter="data")
        except (OSError, EOFError, tarfile.TarError) as error:
            raise invalid(f"Failed to extract model data archive {archive}: {error}") from error
        partial.rename(folder)
        return folder
