"""The settings of the pipeline, in the table ``[pipeline]`` of ``settings.toml``: for who wants one."""

from pathlib import Path

from pydantic import Field, ValidationError

from cdk.settings.errors import InvalidSettings
from cdk.settings.part import Part
from cdk.settings.sources import PIPELINE, SETTINGS_FILE, read_tables

_WANTED = """\
a pipeline needs to know where the code comes from; write in settings.toml:
  [pipeline]
  connection_arn = "arn:aws:codeconnections:eu-west-1:123456789012:connection/…"   # made in the console, once
  repository = "owner/name"\
"""


class PipelineSettings(Part):
    """Where the code comes from.

    ``connection_arn`` is the connection to the host of the repository (Developer Tools, *Connections*), which
    somebody has to have allowed there. ``repository`` is ``owner/name``; what is pushed to ``branch`` is deployed.
    """

    connection_arn: str = Field(
        pattern=r"^arn:aws:(codeconnections|codestar-connections):[a-z0-9-]+:\d{12}:connection/[0-9a-f-]{36}$"
    )
    repository: str = Field(pattern=r"^[^/\s]+(/[^/\s]+)+$")
    branch: str = Field(default="main", min_length=1)


def pipeline_settings(*, file: Path = SETTINGS_FILE) -> PipelineSettings:
    """Give the settings of the pipeline.

    Raises
    ------
    InvalidSettings
        If there are none, or they are not right; the message says what to write.
    """
    table = read_tables(file).get(PIPELINE)
    if table is None:
        raise InvalidSettings(_WANTED)
    try:
        return PipelineSettings.model_validate(table)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors(include_url=False)]
        raise InvalidSettings("\n".join([f"{file.name}, table [{PIPELINE}]:", *lines, _WANTED])) from error
