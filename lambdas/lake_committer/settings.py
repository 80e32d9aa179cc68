"""What the function is told by its environment, read once at cold start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Attributes
    ----------
    bucket : the lake's S3 bucket
    database : Glue database that holds the table
    """

    bucket: str
    database: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Raises
        ------
        KeyError
            If one is missing; it names the variable.
        """
        return cls(bucket=environment["TICKWIRE_LAKE_BUCKET"], database=environment["TICKWIRE_LAKE_DATABASE"])
