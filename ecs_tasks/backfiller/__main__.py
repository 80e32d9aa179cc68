"""``python -m ecs_tasks.backfiller``: the backfiller, set up by ``TICKWIRE_*``."""

import asyncio
import logging
import sys

from pydantic import ValidationError

from ecs_tasks.backfiller.logs import LOGGER, log
from ecs_tasks.backfiller.run import run_task
from ecs_tasks.backfiller.settings import BackfillerSettings
from ecs_tasks.ingestor.logs import start_logging
from ecs_tasks.shared.table import NoCoordinationTable


def main() -> int:
    """Run the task; exit status 0 after a graceful stop, 1 if something failed, 2 for wrong settings."""
    start_logging("INFO")
    LOGGER.setLevel("INFO")
    try:
        settings = BackfillerSettings()  # type: ignore[call-arg]  # from the environment
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            # No place: what several variables together must be.
            name, *path = (str(part) for part in problem["loc"] or ("*",))
            where = "".join(f"[{part}]" for part in path)
            log(logging.ERROR, f"TICKWIRE_{name.upper()}{where}: {problem['msg']}")
        return 2
    LOGGER.setLevel(settings.log_level)
    try:
        return asyncio.run(run_task(settings))
    except ExceptionGroup as group:
        # The first of a task's parts to fail; it ended the others.
        fault: Exception = group.exceptions[0]
    except Exception as raised:
        fault = raised
    if isinstance(fault, NoCoordinationTable | OSError):
        log(logging.ERROR, "cannot start", error=f"{type(fault).__name__}: {fault}")
        return 2
    LOGGER.error("stopped by a fault of the programme", exc_info=fault)
    return 1


if __name__ == "__main__":
    sys.exit(main())
