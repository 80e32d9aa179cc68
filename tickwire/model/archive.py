"""A model's files as the ``model.tar.gz`` that SageMaker keeps in S3 and unpacks for a container."""

import gzip
import io
import tarfile
from pathlib import Path

import msgspec

from tickwire.model.reference import REFERENCE_FILE, Reference, write_reference
from tickwire.model.schema import DESCRIPTION_FILE, MODEL_FILE, ModelDescription, UnfitModel

_MAX_BYTES = 512 * 1024 * 1024


def pack(graph: bytes, description: ModelDescription, reference: Reference | None = None) -> bytes:
    """Give the archive of a model: the same bytes for the same model, whenever it is made.

    A model that learnt from nothing has no ``reference``.
    """
    contents = {DESCRIPTION_FILE: describe(description), MODEL_FILE: graph}
    if reference is not None:
        contents[REFERENCE_FILE] = write_reference(reference)
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def describe(description: ModelDescription) -> bytes:
    """Give ``model.json``."""
    return msgspec.json.format(msgspec.json.encode(description), indent=2)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a model's graph, its description and its reference if it has one, and nothing else; gives the folder back.

    Raises
    ------
    UnfitModel
        If the archive is damaged, too large, or lacks one of the first two.
    """
    try:
        with tarfile.open(archive, "r:gz") as packed:
            optional = {REFERENCE_FILE} & set(packed.getnames())
            for name in (MODEL_FILE, DESCRIPTION_FILE, *optional):
                entry = packed.getmember(name)
                content = packed.extractfile(entry)
                if content is None or entry.size > _MAX_BYTES:
                    raise UnfitModel(f"{archive.name}: {name} is no file of at most {_MAX_BYTES} bytes")
                (folder / name).write_bytes(content.read())
    except (KeyError, OSError, EOFError, tarfile.TarError) as error:
        raise UnfitModel(f"{archive.name}: {error}") from error
    return folder
