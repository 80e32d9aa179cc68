"""Where the settings of a stage come from: its table in ``settings.toml``, over the stage's defaults."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

from cdk.settings.errors import InvalidSettings, UnknownStage
from cdk.settings.stage import StageSettings
from cdk.settings.stages import STAGES
from cdk.source import PROJECT

SETTINGS_FILE = PROJECT / "settings.toml"
PIPELINE = "pipeline"
"""The one table that is no stage's; :mod:`cdk.settings.pipeline` reads it."""

# For what has no default: what to write.
_ADVICE = {
    "region": 'write region = "eu-west-1", or whichever AWS region the stage shall stand in',
    "alarms": 'write alarms.addresses = ["you@your-company.com"]: somebody must hear of alarms',
}


def settings_of(stage: str, *, file: Path = SETTINGS_FILE) -> StageSettings:
    """Give the settings of a stage: ``dev``, ``prod`` or ``local``.

    Parameters
    ----------
    file
        TOML, with a table for each stage. What a table does not say, :mod:`cdk.settings.stages` does.

    Raises
    ------
    UnknownStage
        If there is no such stage.
    InvalidSettings
        If the file cannot be read, or a setting is missing, unknown, out of bounds or in contradiction
        to another; the message says what to write.
    """
    if stage not in STAGES:
        raise UnknownStage(f"no stage {stage!r}; there are {', '.join(STAGES)}")
    read_tables(file)

    class FromFile(StageSettings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        # The other settings come from the file and the defaults.
        return FromFile.model_validate({"stage": stage})
    except ValidationError as error:
        raise InvalidSettings(_sentences(error, stage, file)) from error


def read_tables(file: Path) -> dict[str, dict[str, Any]]:
    """Read the tables of a file, none where there is no file; a mistyped stage would otherwise go unread.

    Raises
    ------
    InvalidSettings
        If it is not TOML, or not made of tables of stages and of the pipeline.
    """
    if not file.exists():
        return {}
    try:
        tables = tomllib.loads(file.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{file.name} is not TOML: {error}") from error
    for name, table in tables.items():
        if name not in (*STAGES, PIPELINE) or not isinstance(table, dict):
            raise InvalidSettings(f"{file.name}: {name!r} is not a stage; write tables [{'], ['.join(STAGES)}]")
        if "stage" in table:
            raise InvalidSettings(f"{file.name}: a table's name is its stage; write no `stage` in [{name}]")
    return tables


def _sentences(error: ValidationError, stage: str, file: Path) -> str:
    """Say of each error where it is and what to write."""
    lines = [f"stage {stage!r} cannot be built; in {file.name}, table [{stage}]:"]
    for found in error.errors(include_url=False):
        place = ".".join(str(part) for part in found["loc"])
        advice = _ADVICE.get(place, "it has no default, so write it") if found["type"] == "missing" else None
        message = found["msg"].removeprefix("Value error, ")
        if found["type"] == "extra_forbidden":
            message = "there is no such setting"
        lines.append(f"  {place + ': ' if place else ''}{advice or message}")
    return "\n".join(lines)
