"""How long is waited, and until when."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from lambdas.delivery.retrying import Backoff, is_hopeless


def test_waits_grow_to_the_cap_and_begin_anew_after_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdas.delivery.retrying.random", lambda: 1.0)
    waits: list[float] = []
    backoff = Backoff(lambda: 60.0, sleep=waits.append)
    for _ in range(8):
        assert backoff.wait()
    assert waits == pytest.approx([0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0])
    backoff.reset()
    backoff.wait()
    assert waits[-1] == pytest.approx(0.02)


def test_a_wait_may_be_anything_down_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdas.delivery.retrying.random", lambda: 0.0)
    waits: list[float] = []
    Backoff(lambda: 60.0, sleep=waits.append).wait()
    assert waits == [0.0]


def test_nobody_waits_into_the_time_kept_for_saving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdas.delivery.retrying.random", lambda: 1.0)
    waits: list[float] = []
    assert not Backoff(lambda: 1.51, sleep=waits.append).wait()
    assert waits == []


@pytest.mark.parametrize(
    ("code", "hopeless"),
    [("AccessDeniedException", True), ("ResourceNotFoundException", True), ("ThrottlingException", False)],
)
def test_rights_and_names_are_not_mended_by_waiting(code: str, hopeless: bool) -> None:
    assert is_hopeless(ClientError({"Error": {"Code": code}}, "PutRecords")) is hopeless


def test_a_lost_connection_may_come_back() -> None:
    assert not is_hopeless(EndpointConnectionError(endpoint_url="x"))
