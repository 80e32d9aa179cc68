"""What all parts of the settings have in common."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the settings: it cannot be changed, and a name that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
