"""``python -m ecs_tasks.ingestor``: the ingestor, set up by ``TICKWIRE_*``."""

import asyncio
import logging
import sys
from collections.abc import Callable

from pydantic import ValidationError

from ecs_tasks.ingestor.logs import LOGGER, log, start_logging
from ecs_tasks.ingestor.run import run_task
from ecs_tasks.ingestor.settings import IngestorSettings
from ecs_tasks.shared.table import NoCoordinationTable
from tickwire.errors import UnknownSymbol


def main() -> int:
    """Run the task; exit status 0 after a full drain, 1 if something was lost or failed, 2 for wrong settings."""
    start_logging("INFO")
    try:
        settings = IngestorSettings()  # type: ignore[call-arg]  # from the environment
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            name, *path = (str(part) for part in problem["loc"])
            where = "".join(f"[{part}]" for part in path)
            log(logging.ERROR, f"TICKWIRE_{name.upper()}{where}: {problem['msg']}")
        return 2
    LOGGER.setLevel(settings.log_level)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(run_task(settings))
    except (UnknownSymbol, NoCoordinationTable, OSError) as error:
        log(logging.ERROR, "cannot start", error=f"{type(error).__name__}: {error}")
        return 2
    except Exception:
        LOGGER.exception("stopped by a fault of the programme")
        return 1


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on every platform
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


if __name__ == "__main__":
    sys.exit(main())
