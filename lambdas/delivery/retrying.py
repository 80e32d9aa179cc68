"""How long to wait between attempts, and until when to try at all."""

import time
from collections.abc import Callable
from random import random

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

BASE_SECONDS = 0.02
CAP_SECONDS = 1.0
RESERVE_SECONDS = 1.5
"""Kept back of an invocation's time for saving state and answering."""

Remaining = Callable[[], float]
"""Seconds left to the invocation."""

CLIENT_CONFIG = Config(
    connect_timeout=1, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2}, tcp_keepalive=True
)
"""For clients whose calls are repeated here: one quick retry by botocore, the rest within the deadline."""

_HOPELESS = frozenset(
    "AccessDeniedException AccessDenied InvalidArgumentException ValidationException ResourceNotFoundException"
    " QueueDoesNotExist AWS.SimpleQueueService.NonExistentQueue InvalidSignatureException"
    " UnrecognizedClientException".split()
)


class Backoff:
    """Capped exponential backoff with full jitter, until the reserve of the invocation is reached."""

    def __init__(self, remaining: Remaining, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._remaining = remaining
        self._sleep = sleep
        self._failures = 0

    def wait(self) -> bool:
        """Sleep before the next attempt; False where there is no time for one."""
        # Jitter needs no cryptography.
        delay = random() * min(CAP_SECONDS, BASE_SECONDS * 2**self._failures)  # noqa: S311
        self._failures += 1
        if self._remaining() - delay < RESERVE_SECONDS:
            return False
        self._sleep(delay)
        return True

    def reset(self) -> None:
        """Begin again from the shortest wait, after an attempt that failed nowhere."""
        self._failures = 0


def is_hopeless(error: BotoCoreError | ClientError) -> bool:
    """Tell an error that no retry mends (rights, names, arguments) from one that may pass."""
    return isinstance(error, ClientError) and error.response.get("Error", {}).get("Code") in _HOPELESS
