"""What the function is told by its environment, read once at cold start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Attributes
    ----------
    bucket : the lake's S3 bucket
    commits_queue_url : SQS FIFO queue that the committer reads
    """

    bucket: str
    commits_queue_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Raises
        ------
        KeyError
            If one is missing; it names the variable.
        """
        return cls(
            bucket=environment["TICKWIRE_LAKE_BUCKET"],
            commits_queue_url=environment["TICKWIRE_LAKE_COMMITS_QUEUE_URL"],
        )
