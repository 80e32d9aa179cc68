"""SageMaker's contract for a processing job, around what a job does.

Its inputs lie below ``processing/input``; what it writes below ``processing/output`` goes to S3, and SageMaker
shows the beginning of ``output/message`` beside a job that failed (Amazon SageMaker AI developer guide, "Build your
own processing container").
"""

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

_MAX_MESSAGE = 1_024
_LOGGER = logging.getLogger("tickwire.model")


def run_job(root: Path, name: str, report_file: str, work: Callable[[Path], msgspec.Struct]) -> int:
    """Let ``work`` make a report of the folder of inputs, and write it as JSON; gives the exit status."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s")
    try:
        report = work(root / "processing/input")
        output = root / "processing/output"
        output.mkdir(parents=True, exist_ok=True)
        (output / report_file).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    except Exception as error:
        _LOGGER.exception("%s failed", name)
        message = root / "output/message"
        message.parent.mkdir(parents=True, exist_ok=True)
        message.write_text(f"{type(error).__name__}: {error}"[:_MAX_MESSAGE])
        return 1
    return 0
