"""The model that the endpoint serves as its champion, from its archive."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tickwire.model.archive import unpack
from tickwire.model.drift_check import NoDriftCheck
from tickwire.model.features import SCHEMA
from tickwire.model.reference import REFERENCE_FILE, Reference, read_reference
from tickwire.model.schema import DESCRIPTION_FILE, read_description

_CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class Champion:
    """Its version, and what its training saw."""

    version: str
    reference: Reference


def read_champion(endpoint: str, *, sagemaker: Any, s3: Any) -> Champion:
    """Read the champion of ``endpoint``.

    Raises
    ------
    NoDriftCheck
        If the model has no reference, as the seed that has learnt from nothing.
    UnfitModel
        If its archive cannot be read, or is for other rows.
    """
    configuration = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=configuration)["ProductionVariants"]
    (model,) = (variant["ModelName"] for variant in variants if variant["VariantName"] == _CHAMPION)
    address = sagemaker.describe_model(ModelName=model)["PrimaryContainer"]["ModelDataUrl"]
    bucket, _, key = address.removeprefix("s3://").partition("/")
    with TemporaryDirectory() as name:
        folder = Path(name)
        archive = folder / "model.tar.gz"
        archive.write_bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        unpack(archive, folder)
        version = read_description((folder / DESCRIPTION_FILE).read_bytes(), expected=SCHEMA).version
        reference = folder / REFERENCE_FILE
        if not reference.exists():
            raise NoDriftCheck(f"version {version!r} has no {REFERENCE_FILE}: there is nothing to compare with")
        return Champion(version, read_reference(reference.read_bytes(), schema=SCHEMA))
