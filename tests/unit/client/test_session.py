"""What a client says and tells, message by message; and over lossy connections against the plain truth."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tickwire.client.session import MAX_MESSAGE_BYTES, Session, Wanted
from tickwire.client.updates import Kind

KEY = {"topic": "trades", "symbol": "v:A-B"}
TRADES = Wanted("s1", ("trades",), ("*",))


def snapshot(number: int, *, source: int = 3, data: list[Any] | None = None) -> dict[str, Any]:
    return {"type": "snapshot", "items": [{**KEY, "positions": {str(source): number}, "data": data or []}]}


def update(first: int, last: int, *, source: int = 3, replay: bool = False, **more: Any) -> dict[str, Any]:
    item = {**KEY, "source": source, "from": first, "to": last, "data": list(range(first, last + 1)), **more}
    return {"type": "update", "sent": 9, "items": [item], **({"replay": True} if replay else {})}


def said(messages: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages]


def resume(number: int, source: int = 3) -> dict[str, Any]:
    return {"action": "resume", "positions": {"trades": {"v:A-B": {str(source): number}}}}


def test_a_session_subscribes_and_later_goes_on_where_it_was() -> None:
    session = Session()
    asked = {"topics": ["trades"], "symbols": ["*"], "id": "s1"}
    assert said(session.begin([TRADES])) == [{"action": "subscribe", **asked}]
    session.take(snapshot(10))
    session.take(update(11, 12))
    assert said(session.begin([TRADES])) == [{**resume(12), **asked}]
    # What another subscription has says nothing of this one.
    assert said(session.begin([Wanted("s2", ("quotes",), ("*",))]))[0]["action"] == "subscribe"


def test_a_session_tells_what_came_and_how() -> None:
    session = Session()
    (first,) = session.take(snapshot(10, data=[{"id": 1}]))
    (second,) = session.take(update(11, 11))
    (third,) = session.take(update(12, 12, replay=True))
    (fourth,) = session.take({"type": "reset", "items": [{**KEY, "source": 3, "reason": "expired"}]})
    assert [one.kind for one in (first, second, third, fourth)] == [
        Kind.SNAPSHOT, Kind.UPDATE, Kind.REPLAY, Kind.RESET,
    ]  # fmt: skip
    assert first.data == [{"id": 1}]
    assert list(map(str, second.data)) == ["11"]
    assert (second.sent, second.key) == (9, ("trades", "v:A-B"))
    assert session.take({"type": "subscribed", "topics": [], "symbols": []}) == []


def test_a_hole_is_asked_for_once_until_it_is_answered_or_given_up() -> None:
    session = Session()
    session.take(snapshot(10))
    session.take(update(13, 13))
    assert session.holes
    assert said(session.fill()) == [resume(10)]
    session.take(update(14, 14))
    assert not session.holes
    assert session.fill() == []
    session.ask_again()
    assert said(session.fill()) == [resume(10)]
    session.take(update(11, 14, replay=True))
    session.take({"type": "resumed", "replayed": 1, "reset": 0})
    assert not session.holes


def test_a_source_that_speaks_for_the_first_time_begins_at_0() -> None:
    session = Session()
    session.take(snapshot(10))
    session.take(update(4, 4, source=64))
    assert said(session.fill()) == [resume(0, source=64)]


def test_what_begins_with_1_needs_no_snapshot() -> None:
    session = Session()
    session.take(update(1, 1))
    session.take(update(3, 3))
    assert said(session.fill()) == [resume(1)]


def test_a_server_that_counts_anew_is_asked() -> None:
    session = Session()
    session.take(snapshot(500))
    session.take(update(1, 2))
    assert said(session.fill()) == [resume(500)]
    session.take({"type": "reset", "items": [{**KEY, "source": 3, "reason": "unknown"}]})
    session.take(snapshot(2))
    session.take(update(3, 3))
    session.take({"type": "resumed", "replayed": 0, "reset": 1})
    assert not session.holes


def test_positions_that_fit_no_message_are_asked_for_in_several() -> None:
    session = Session()
    names = [f"venue:SYMBOL{n}-USDT" for n in range(2_000)]
    items = [{"topic": "trades", "symbol": name, "positions": {"3": 1}, "data": []} for name in names]
    session.take({"type": "snapshot", "items": items})
    session.take(
        {
            "type": "update",
            "sent": 1,
            "items": [
                {"topic": "trades", "symbol": name, "source": 3, "from": 5, "to": 5, "data": []} for name in names
            ],
        }
    )
    messages = session.fill()
    assert len(messages) > 1
    assert max(map(len, messages)) <= MAX_MESSAGE_BYTES
    assert sorted(name for one in said(messages) for name in one["positions"]["trades"]) == sorted(names)
    assert said(session.begin([TRADES]))[0]["action"] == "subscribe"


class Server:
    """Says the numbers 1, 2, 3 … of one key; a client that asks is told again, or reset where the log is cut."""

    def __init__(self) -> None:
        self.head = 0
        self.kept_from = 1

    def resume(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        number = message["positions"]["trades"]["v:A-B"]["3"]
        if number + 1 < self.kept_from:
            reset = {"type": "reset", "items": [{**KEY, "source": 3, "reason": "expired"}]}
            return [reset, self.snapshot(), {"type": "resumed", "replayed": 0, "reset": 1}]
        told = [update(number + 1, self.head, replay=True)] if self.head > number else []
        return [*told, {"type": "resumed", "replayed": 1, "reset": 0}]

    def snapshot(self) -> dict[str, Any]:
        return snapshot(self.head, data=list(range(1, self.head + 1)))


EVENTS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(["heard", "lost", "heard twice", "cut", "log ends", "answer lost"])),
    max_size=30,
)


@given(EVENTS)
def test_whatever_gets_lost_a_client_knows_all_in_the_end(events: list[tuple[int, str]]) -> None:
    server, session, seen = Server(), Session(), set[int]()

    def hear(messages: list[dict[str, Any]]) -> None:
        for message in messages:
            for told in session.take(message):
                seen.update(told.data)  # type: ignore[arg-type]

    hear([server.snapshot()])
    for size, fate in events:
        message = update(server.head + 1, server.head + size)
        server.head += size
        if fate == "log ends":
            server.kept_from = server.head
        if fate == "cut":
            hear([answer for one in said(session.begin([TRADES])) for answer in server.resume(one)])
        elif fate != "lost":
            hear([message] * (2 if fate == "heard twice" else 1))
        asked = said(session.fill())
        if fate == "answer lost":
            session.ask_again()
            continue
        hear([answer for one in asked for answer in server.resume(one)])
    hear([answer for one in said(session.begin([TRADES])) for answer in server.resume(one)])
    assert seen == set(range(1, server.head + 1))
