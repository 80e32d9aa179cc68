"""Drift is found when there is some, seldom when there is none, and starts a training once."""

import sys

import numpy as np
import pytest
from scipy import stats

from tickwire.model.drift_check import (
    ALL,
    DriftReport,
    LossChange,
    Moved,
    NoDriftCheck,
    PredictedRows,
    check,
    decide,
)
from tickwire.model.reference import Distribution, Reference

HOUR = 3_600 * 1_000_000_000
QUARTER = HOUR // 4
NAMES = tuple(f"feature_{number}" for number in range(16))
UNIFORM = Distribution(tuple((np.arange(101) / 100).tolist()), 0.0, 100_000)
NORMAL = Distribution((-6.0, *stats.norm.ppf(np.arange(1, 100) / 100).tolist(), 6.0), 0.0, 100_000)
REFERENCE = Reference(dict.fromkeys(NAMES, NORMAL), UNIFORM, (None,) * 960)
INSTRUMENTS = ("kraken:BTC-USD", "kraken:ETH-USD")


def stream(seed: int, *, quarters: int = 672) -> PredictedRows:
    """A week of two instruments: features as in training, and probabilities that are true."""
    generator = np.random.default_rng(seed)
    n = quarters * len(INSTRUMENTS)
    probability = generator.uniform(size=n)
    return PredictedRows(
        instrument=np.repeat(INSTRUMENTS, quarters),
        time=np.tile(np.arange(quarters) * QUARTER, len(INSTRUMENTS)),
        features=generator.normal(size=(n, len(NAMES))),
        probability=probability,
        rose=(generator.uniform(size=n) < probability).astype(np.float64),
    )


def checked(rows: PredictedRows) -> DriftReport:
    return check(rows, REFERENCE, time=0, version="7")


def test_of_forty_stationary_weeks_at_most_one_raises_an_alarm() -> None:
    assert sum(checked(stream(seed)).drifted for seed in range(40)) <= 1


def test_a_shift_of_one_deviation_is_found_in_500_rows_and_named() -> None:
    for seed in range(20):
        rows = stream(seed, quarters=250)
        rows.features[:, 3] += 1
        report = checked(rows)
        assert [one.name for one in report.moved if one.drifted] == ["feature_3"]
        assert report.drifted


def test_each_instrument_with_rows_enough_is_looked_at_by_itself_and_one_alone_is_only_told() -> None:
    rows = stream(1)
    rows.probability[:672] = rows.probability[:672] * 0.6 + 0.2
    rows.rose[:] = np.nan

    report = checked(rows)

    assert len(report.moved) == 3 * 17
    assert [(one.instrument, one.name) for one in report.moved if one.drifted] == [("kraken:BTC-USD", "probability")]
    assert not report.drifted
    assert "probability of kraken:BTC-USD: PSI" in report.reasons()[0]


def test_an_instrument_with_few_rows_is_looked_at_with_the_others_only() -> None:
    assert {one.instrument for one in checked(stream(1, quarters=300)).moved} == {ALL}


def test_p_values_are_bonferronis_of_scipys_to_the_error_of_the_hundred_quantiles() -> None:
    rows = stream(2, quarters=300)
    values = rows.features[:, 0]
    values += 0.1

    (found,) = [one for one in checked(rows).moved if one.name == "feature_0"]

    whole = stats.kstest(values, "norm")
    # The distance may be a hundredth short.
    bound = stats.kstwo.sf(whole.statistic - 0.01, 600) * 17
    assert min(1, whole.pvalue * 17) - 1e-9 <= found.p_value <= min(1, bound) + 1e-9


def test_a_model_that_loses_its_skill_is_found_within_300_quarter_hours() -> None:
    for seed in range(20):
        rows = stream(seed)
        late = rows.time >= 336 * QUARTER
        # From then on it is as often wrong as it was right.
        rows.rose[late] = 1 - rows.rose[late]
        found = [change for change in checked(rows).losses if change.instrument == ALL]
        assert found
        assert 336 * QUARTER <= found[0].time <= 636 * QUARTER
        assert found[0].after > found[0].before


def test_a_model_that_becomes_better_has_no_drift_of_its_loss() -> None:
    rows = stream(3)
    early = rows.time < 336 * QUARTER
    rows.rose[early] = 1 - rows.rose[early]

    assert checked(rows).losses == ()


def test_the_order_in_which_rows_come_does_not_matter() -> None:
    rows = stream(4)
    rows.rose[rows.time >= 336 * QUARTER] = 0
    rows.features[:, 0] += 1
    # Rows of one moment keep their order: the first instrument's first.
    order = np.lexsort((rows.instrument, rows.time))

    assert checked(rows.take(order)) == checked(rows)


def test_too_few_rows_are_no_check() -> None:
    with pytest.raises(NoDriftCheck, match="20 predictions of version '7'"):
        checked(stream(1, quarters=10))


def test_a_missing_package_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river.drift", None)
    with pytest.raises(NoDriftCheck, match=r"needs river: pip install 'tickwire\[drift\]'"):
        checked(stream(1))


def report(hour: int, psi: float, *, version: str = "7", losses: tuple[LossChange, ...] = ()) -> DriftReport:
    return DriftReport(hour * HOUR, version, 1_000, (Moved(ALL, "rsi", psi, 0.3, 0.001),), losses)


def test_three_checks_with_drift_in_a_row_start_a_training() -> None:
    history = [report(0, 0.1), report(1, 0.3), report(2, 0.4)]
    assert decide(history, None, 2 * HOUR).reasons == ("2 of 3 checks in a row found drift",)
    decision = decide([*history, report(3, 0.5)], None, 3 * HOUR)
    assert decision.retrain
    assert decision.reasons == ("3 checks in a row found drift", "rsi of all: PSI 0.500, KS 0.300, p 0.001")


def test_a_check_without_drift_begins_the_count_anew() -> None:
    history = [report(0, 0.3), report(1, 0.3), report(2, 0.25), report(3, 0.3)]
    assert decide(history, None, 3 * HOUR).reasons == ("1 of 3 checks in a row found drift",)


def test_checks_of_another_version_do_not_count() -> None:
    history = [report(0, 0.3, version="6"), report(1, 0.3), report(2, 0.3)]
    assert not decide(history, None, 2 * HOUR).retrain


def test_no_training_starts_within_a_day_of_the_last() -> None:
    history = [report(hour, 0.3) for hour in range(3)]
    assert "23.5 h ago" in decide(history, 0, 47 * HOUR // 2).reasons[0]
    assert decide(history, 0, 24 * HOUR).retrain


def test_a_large_index_that_chance_explains_is_no_drift() -> None:
    chance = DriftReport(0, "7", 1_000, (Moved(ALL, "rsi", 0.3, 0.1, 0.02),), ())
    assert not chance.drifted


def test_a_loss_that_has_risen_is_drift() -> None:
    assert report(0, 0.0, losses=(LossChange(ALL, 0, 0.68, 0.72),)).drifted
    assert not report(0, 0.0, losses=(LossChange("kraken:BTC-USD", 0, 0.68, 0.72),)).drifted


def test_nothing_is_decided_without_a_check() -> None:
    assert not decide([], None, 0).retrain
