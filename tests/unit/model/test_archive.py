"""What is taken of an archive, and which models are refused."""

import io
import tarfile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tickwire.model.archive import pack, unpack
from tickwire.model.features import SCHEMA
from tickwire.model.onnx_graph import logistic_graph
from tickwire.model.predictor import Predictor
from tickwire.model.reference import REFERENCE_FILE, Distribution, Reference, read_reference
from tickwire.model.schema import DESCRIPTION_FILE, MODEL_FILE, FeatureSchema, ModelDescription, UnfitModel

DESCRIPTION = ModelDescription("m", "1", SCHEMA, SCHEMA.digest)


def archive_of(folder: Path, **contents: bytes) -> Path:
    path = folder / "model.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def test_what_is_packed_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(pack(b"graph", DESCRIPTION))
    unpack(tmp_path / "model.tar.gz", tmp_path)
    assert (tmp_path / MODEL_FILE).read_bytes() == b"graph"
    assert msgspec.json.decode((tmp_path / DESCRIPTION_FILE).read_bytes(), type=ModelDescription) == DESCRIPTION


def test_the_reference_goes_along(tmp_path: Path) -> None:
    every = Distribution(tuple(float(percent) for percent in range(101)), 0.0, 7)
    reference = Reference(dict.fromkeys(SCHEMA.names, every), every, (None, *[0.5] * (SCHEMA.width - 1)))
    (tmp_path / "model.tar.gz").write_bytes(pack(b"graph", DESCRIPTION, reference))
    unpack(tmp_path / "model.tar.gz", tmp_path)
    assert read_reference((tmp_path / REFERENCE_FILE).read_bytes(), schema=SCHEMA) == reference


def test_nothing_but_a_models_own_files_leaves_an_archive(tmp_path: Path) -> None:
    contents = {MODEL_FILE: b"graph", DESCRIPTION_FILE: b"{}", "../escaped": b"x", "card.md": b"x", "code.py": b"x"}
    archive = archive_of(tmp_path, **contents)
    inner = tmp_path / "inner"
    inner.mkdir()
    unpack(archive, inner)
    assert {path.name for path in inner.iterdir()} == {MODEL_FILE, DESCRIPTION_FILE}
    assert not (tmp_path / "escaped").exists()


@pytest.mark.parametrize("contents", [{}, {MODEL_FILE: b"graph"}, {DESCRIPTION_FILE: b"{}"}])
def test_an_archive_without_a_file_is_refused(tmp_path: Path, contents: dict[str, bytes]) -> None:
    with pytest.raises(UnfitModel, match=r"model\.tar\.gz"):
        unpack(archive_of(tmp_path, **contents), tmp_path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"not a gzip")
    with pytest.raises(UnfitModel):
        unpack(tmp_path / "model.tar.gz", tmp_path)


@pytest.mark.parametrize(
    ("schema", "digest", "reason"),
    [
        (FeatureSchema((*SCHEMA.names, "rsi"), 60, 900), None, "expects rows of schema"),
        (FeatureSchema(SCHEMA.names[::-1], 60, 900), None, "expects rows of schema"),
        (FeatureSchema(SCHEMA.names, 61, 900), None, "expects rows of schema"),
        (FeatureSchema(SCHEMA.names, 60, 60), None, "expects rows of schema"),
        (SCHEMA, "0" * 16, "is not that of its schema"),
    ],
)
def test_a_model_for_other_rows_is_refused(
    seed_folder: Path, schema: FeatureSchema, digest: str | None, reason: str
) -> None:
    description = ModelDescription("m", "1", schema, digest or schema.digest)
    (seed_folder / DESCRIPTION_FILE).write_bytes(msgspec.json.encode(description))
    with pytest.raises(UnfitModel, match=reason):
        Predictor.load(seed_folder, expected=SCHEMA)


@pytest.mark.parametrize("damaged", [MODEL_FILE, DESCRIPTION_FILE])
@pytest.mark.parametrize("content", [b"", b"{}", b"\x08\x08garbage", None])
def test_damaged_files_are_refused(seed_folder: Path, damaged: str, content: bytes | None) -> None:
    if content is None:
        (seed_folder / damaged).unlink()
    else:
        (seed_folder / damaged).write_bytes(content)
    with pytest.raises(UnfitModel):
        Predictor.load(seed_folder, expected=SCHEMA)


def test_a_graph_for_rows_of_another_width_is_refused() -> None:
    narrow = FeatureSchema(("a", "b"), 1, 900)
    with pytest.raises(UnfitModel, match=r"model\.onnx"):
        Predictor(logistic_graph([0.0] * 4, 0.0, schema=narrow), DESCRIPTION)


def test_a_graph_that_gives_no_probability_is_refused() -> None:
    with pytest.raises(UnfitModel, match="answers"):
        Predictor(logistic_graph([float("nan")] * (2 * len(SCHEMA.names)), 0.0, schema=SCHEMA), DESCRIPTION)


def test_rows_of_a_window_have_a_column_for_each_bar() -> None:
    schema = FeatureSchema(("a", "b"), 2, 900)
    assert schema.columns == ("a.0", "b.0", "a.1", "b.1")
    assert schema.width == len(schema.columns)
    assert np.unique([SCHEMA.digest, schema.digest]).size == 2
