"""This task's log lines, in the form of all tasks."""

import logging
from typing import Any

LOGGER = logging.getLogger("tickwire.backfiller")


def log(level: int, message: str, **fields: Any) -> None:
    """Log a sentence with fields."""
    LOGGER.log(level, message, extra={"fields": fields})
