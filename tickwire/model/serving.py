"""The process of a serving container: load, give up root's rights, serve until told to stop."""

import logging
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np

from tickwire.model.arrow_bodies import rows_stream
from tickwire.model.features import SCHEMA
from tickwire.model.predictor import Predictor
from tickwire.model.requests import ARROW, read_request, write_answer
from tickwire.model.schema import UnfitModel
from tickwire.model.server import ModelApplication

MODEL_FOLDER = Path("/opt/ml/model")
"""Where SageMaker unpacks ``model.tar.gz``."""

_UNPRIVILEGED = 65_534
# SageMaker sends SIGKILL 30 s after SIGTERM.
_DRAIN_SECONDS = 25
# Above the 60 s that an invocation may take, so that no connection ends under SageMaker's next request.
_KEEP_ALIVE_SECONDS = 75
_MAX_CONNECTIONS = 256
_BACKLOG = 2048


class Bind(msgspec.Struct, frozen=True):
    """Where to listen; SageMaker may name another port in ``SAGEMAKER_BIND_TO_PORT``."""

    # SageMaker asks from outside the container, which nothing else can reach.
    host: str = "0.0.0.0"  # noqa: S104
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 8080


def bind_of_environment() -> Bind:
    """Read where SageMaker wants the server.

    Raises
    ------
    msgspec.ValidationError
        If it names no port.
    """
    return msgspec.convert({"port": os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080")}, Bind, strict=False)


def serve(bind: Bind, folder: Path = MODEL_FOLDER, *, give_up_root: bool = True) -> int:
    """Serve the model in a folder until SIGTERM, then answer what was asked before; gives the exit status.

    ``give_up_root`` : go on as nobody where it was started by root; outside a container nobody may be unable to read
    the interpreter's own files
    """
    # Threads come with the first one that is wanted, unless they are asked for.
    import concurrent.futures.thread  # noqa: F401

    import uvicorn

    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
    logger = logging.getLogger("tickwire.model")
    try:
        predictor = Predictor.load(folder, expected=SCHEMA)
    except UnfitModel as error:
        logger.error("not served: %s", error)
        return 1
    model = predictor.description
    logger.info("serving %s %s, schema %s", model.name, model.version, model.digest)
    _warm_up(predictor)
    server = uvicorn.Server(
        uvicorn.Config(
            ModelApplication(predictor),
            access_log=False,
            lifespan="off",
            limit_concurrency=_MAX_CONNECTIONS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
    )
    with socket.create_server((bind.host, bind.port), backlog=_BACKLOG) as listener:
        if give_up_root:
            _give_up_root()
        logger.info("listening on port %d", bind.port)
        server.run(sockets=[listener])
    return 0


def _warm_up(predictor: Predictor) -> None:
    """Read and answer a row as Arrow, so that no request waits for its libraries, nor lacks the right to read them."""
    schema = predictor.description.schema
    body = rows_stream(np.zeros((1, schema.width), np.float32), schema=schema)
    request = read_request(ARROW, body, schema=schema)
    write_answer(predictor.predict(request.rows), model=predictor.description, accept=ARROW)


def _give_up_root() -> None:
    """Go on as nobody: SageMaker starts every container as root, and only the model's files need that."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_UNPRIVILEGED)
        os.setuid(_UNPRIVILEGED)
