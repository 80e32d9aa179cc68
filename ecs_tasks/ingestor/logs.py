"""Logs as one JSON object a line on standard error, fields apart from the sentence."""

import json
import logging
import sys
import traceback
from typing import Any

LOGGER = logging.getLogger("tickwire.ingestor")
_MAX_TEXT = 2000


class JsonFormatter(logging.Formatter):
    """Writes ``{"time", "level", "logger", "message", …fields}``; fields come by ``extra={"fields": …}``."""

    def format(self, record: logging.LogRecord) -> str:
        """Give one line of JSON; over-long texts are cut, so that a hostile frame cannot flood the log."""
        entry: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage()[:_MAX_TEXT],
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            entry.update(fields)
        if record.exc_info:
            entry["exception"] = "".join(traceback.format_exception(*record.exc_info))[-4 * _MAX_TEXT :]
        return json.dumps(entry, default=str)


def start_logging(level: str) -> None:
    """Send every logger of the process to standard error as JSON; libraries speak from WARNING on."""
    import time

    JsonFormatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(level)


def log(level: int, message: str, **fields: Any) -> None:
    """Log a sentence with fields."""
    LOGGER.log(level, message, extra={"fields": fields})
