"""A function's environment, checked at cold start."""

from typing import Annotated

import msgspec
import pytest

from lambdas.delivery.settings import InvalidSettings, read_settings


class Sample(msgspec.Struct, frozen=True):
    partitions: Annotated[int, msgspec.Meta(ge=1)]
    clean_stream: str
    max_age_seconds: float = 86400.0
    database_iam: bool = False


def test_variables_are_read_into_their_types() -> None:
    environ = {
        "TICKWIRE_PARTITIONS": "8",
        "TICKWIRE_CLEAN_STREAM": "trades-clean",
        "TICKWIRE_MAX_AGE_SECONDS": "1e9",
        "TICKWIRE_DATABASE_IAM": "true",
    }
    assert read_settings(Sample, environ) == Sample(8, "trades-clean", 1e9, database_iam=True)


def test_defaults_stand_where_a_variable_is_unset_or_empty() -> None:
    environ = {"TICKWIRE_PARTITIONS": "8", "TICKWIRE_CLEAN_STREAM": "c", "TICKWIRE_MAX_AGE_SECONDS": ""}
    assert read_settings(Sample, environ) == Sample(8, "c")


@pytest.mark.parametrize("text", ["0", "eight", "8.5"])
def test_a_value_that_does_not_fit_is_named_with_its_variable(text: str) -> None:
    with pytest.raises(InvalidSettings, match=rf"TICKWIRE_PARTITIONS='{text}'"):
        read_settings(Sample, {"TICKWIRE_PARTITIONS": text, "TICKWIRE_CLEAN_STREAM": "c"})


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(InvalidSettings, match="TICKWIRE_PARTITIONS is not set; TICKWIRE_CLEAN_STREAM is not set"):
        read_settings(Sample, {})
