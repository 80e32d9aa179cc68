"""The process of a serving container: load, give up root's rights, serve until told to stop."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec

from tickwire.model.features import SCHEMA
from tickwire.model.predictor import Predictor
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


def serve(bind: Bind, folder: Path = MODEL_FOLDER) -> int:
    """Serve the model in a folder until SIGTERM, then answer what was asked before; gives the exit status."""
    # Arrow before it is first needed: so that no request waits for it, and root's rights are still there.
    import pyarrow  # noqa: F401
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
    _give_up_root()
    uvicorn.run(
        ModelApplication(predictor),
        host=bind.host,
        port=bind.port,
        access_log=False,
        lifespan="off",
        limit_concurrency=_MAX_CONNECTIONS,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    return 0


def _give_up_root() -> None:
    """Go on as nobody: SageMaker starts every container as root, and only the model's files need that."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_UNPRIVILEGED)
        os.setuid(_UNPRIVILEGED)
