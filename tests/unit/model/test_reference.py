"""What training saw, against numpy's own quantiles, and which files of it are refused."""

import msgspec
import numpy as np
import pytest

from tickwire.model.bars import BarColumns
from tickwire.model.features import SCHEMA
from tickwire.model.reference import distribution_of, read_reference, reference_of, write_reference
from tickwire.model.rows import labelled_rows
from tickwire.model.schema import UnfitModel


def test_quantiles_are_of_what_is_there() -> None:
    found = distribution_of(np.append(np.arange(101.0)[::-1], [np.nan] * 99))
    assert found.quantiles == pytest.approx(range(101))
    assert (found.absent, found.count) == (0.495, 200)


def test_a_feature_that_is_always_masked_has_none() -> None:
    found = distribution_of(np.full(3, np.nan, np.float32))
    assert (found.quantiles, found.absent, found.count) == ((), 1.0, 3)
    with pytest.raises(ValueError, match="no values"):
        distribution_of(np.empty(0))


def test_a_reference_describes_the_newest_bars_and_the_medians_of_the_windows(
    parts: dict[str, list[BarColumns]],
) -> None:
    rows = labelled_rows(parts["train"])
    probability = np.linspace(0.4, 0.6, len(rows))
    reference = reference_of(rows, probability, schema=SCHEMA)
    windows = rows.windows()
    for place, name in enumerate(SCHEMA.names):
        newest = windows[:, SCHEMA.width - len(SCHEMA.names) + place]
        assert reference.features[name].quantiles[50] == pytest.approx(np.nanmedian(newest), abs=1e-6)
        assert reference.features[name].count == len(rows)
    assert reference.probability.quantiles[::50] == pytest.approx((0.4, 0.5, 0.6))
    np.testing.assert_allclose(reference.background_row(), np.nanmedian(windows, axis=0), atol=1e-6)
    assert read_reference(write_reference(reference), schema=SCHEMA) == reference


def test_a_file_that_is_no_reference_of_these_rows_is_refused(parts: dict[str, list[BarColumns]]) -> None:
    rows = labelled_rows(parts["train"])
    good = reference_of(rows, np.full(len(rows), 0.5), schema=SCHEMA)
    falling = msgspec.structs.replace(good.probability, quantiles=good.features["range"].quantiles[::-1])
    for content, reason in (
        (b"{}", "missing required field"),
        (b"\xff", "reference.json"),
        (write_reference(msgspec.structs.replace(good, background=good.background[1:])), "of other features"),
        (write_reference(msgspec.structs.replace(good, features={})), "of other features"),
        (write_reference(msgspec.structs.replace(good, probability=falling)), "probability has no 101 rising"),
    ):
        with pytest.raises(UnfitModel, match=reason):
            read_reference(content, schema=SCHEMA)
