"""Schema drift: what counts as a change of a venue's messages, and how often it is looked for."""

import pytest

from tickwire.venues.drift import MAX_APPEARED, MAX_FIELD_NAME, SAMPLE_EVERY, DriftWatch
from tickwire.venues.feed import ParsedFrames

TRADE: dict[str, object] = {"id": 7, "price": "1.5", "maker": True}


@pytest.fixture
def watch() -> DriftWatch:
    return DriftWatch(
        {"trade": {"id": int, "price": str, "maker": bool, "order": (int, type(None))}},
        {"trade": frozenset({"order", "note"})},
    )


def drift_of(watch: DriftWatch, message: dict[str, object], message_type: str = "trade") -> dict[str, int]:
    out = ParsedFrames()
    watch.observe(message_type, message, out)
    return dict(out.drift)


def test_expected_message_is_no_drift(watch: DriftWatch) -> None:
    assert drift_of(watch, TRADE) == {}


def test_new_field_is_counted_as_appeared(watch: DriftWatch) -> None:
    assert drift_of(watch, TRADE | {"fee": "0.1"}) == {"trade.fee appeared": 1}


def test_missing_field_is_counted_as_vanished(watch: DriftWatch) -> None:
    assert drift_of(watch, {"id": 7, "maker": True}) == {"trade.price vanished": 1}


def test_renamed_field_is_counted_both_ways(watch: DriftWatch) -> None:
    renamed: dict[str, object] = {"id": 7, "px": "1.5", "maker": True}
    assert drift_of(watch, renamed) == {"trade.px appeared": 1, "trade.price vanished": 1}


@pytest.mark.parametrize("value", ["7", 7.0, True, None, [7]])
def test_other_json_type_is_counted_as_type_changed(watch: DriftWatch, value: object) -> None:
    assert drift_of(watch, TRADE | {"id": value}) == {"trade.id type_changed": 1}


@pytest.mark.parametrize("extra", [{"order": 5}, {"order": None}, {"note": "x"}, {"note": [1]}])
def test_optional_field_is_no_drift_when_it_comes(watch: DriftWatch, extra: dict[str, object]) -> None:
    assert drift_of(watch, TRADE | extra) == {}


def test_optional_field_of_a_wrong_type_is_drift(watch: DriftWatch) -> None:
    assert drift_of(watch, TRADE | {"order": "5"}) == {"trade.order type_changed": 1}


def test_unknown_message_type_is_never_due_and_never_counted(watch: DriftWatch) -> None:
    assert not any(watch.due("block") for _ in range(3 * SAMPLE_EVERY))
    assert drift_of(watch, {"anything": 1}, "block") == {}


def test_first_message_of_each_type_and_then_one_in_64_is_due() -> None:
    watch = DriftWatch({"trade": {"id": int}, "ticker": {"bid": str}})
    due = [k for k in range(200) if watch.due("trade")]
    assert due == [0, 64, 128, 192]
    assert watch.due("ticker")


def test_hostile_field_names_are_bounded_in_length_and_number(watch: DriftWatch) -> None:
    message = TRADE | {f"{k:03d}" + "x" * 1000: 1 for k in range(500)}
    counts = drift_of(watch, message)
    assert len(counts) == MAX_APPEARED
    assert max(map(len, counts)) == len("trade.") + MAX_FIELD_NAME + len(" appeared")
