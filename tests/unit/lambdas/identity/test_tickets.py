"""One-use tickets, on DynamoDB as moto has it."""

import json
import re
from typing import Any

import pytest

from lambdas.identity.tickets import LIFE_SECONDS, TicketRefused, Tickets
from lambdas.identity.user import Role, User

USER = User("5d1c2c0e", (Role.VIEWER, Role.OPERATOR), 1_700_003_600)


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tickets(dynamodb: Any, clock: Clock) -> Tickets:
    return Tickets(dynamodb, "tickets", clock=clock)


def rows(dynamodb: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dynamodb.scan(TableName="tickets")["Items"]
    return found


def test_a_ticket_is_good_once(tickets: Tickets, dynamodb: Any) -> None:
    ticket = tickets.issue(USER)
    assert tickets.redeem(ticket) == USER
    with pytest.raises(TicketRefused):
        tickets.redeem(ticket)
    assert rows(dynamodb) == []


def test_a_ticket_is_good_to_the_last_second_of_its_life_and_no_longer(tickets: Tickets, clock: Clock) -> None:
    in_time, late = tickets.issue(USER), tickets.issue(USER)
    clock.now += LIFE_SECONDS - 1
    assert tickets.redeem(in_time) == USER
    clock.now += 1
    with pytest.raises(TicketRefused):
        tickets.redeem(late)


def test_tickets_are_256_random_bits_that_fit_into_an_address(tickets: Tickets) -> None:
    issued = {tickets.issue(USER) for _ in range(50)}
    assert len(issued) == 50
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", ticket) for ticket in issued)


def test_the_table_does_not_hold_what_opens_a_connection(tickets: Tickets, dynamodb: Any) -> None:
    ticket = tickets.issue(USER)
    (row,) = rows(dynamodb)
    assert ticket not in json.dumps(row)
    with pytest.raises(TicketRefused):
        tickets.redeem(row["ticket_hash"]["S"])


def test_a_row_expires_with_its_ticket(tickets: Tickets, dynamodb: Any) -> None:
    tickets.issue(USER)
    (row,) = rows(dynamodb)
    assert row["expires"] == {"N": "1700000060"}


@pytest.mark.parametrize("ticket", ["", "x" * 43, "x" * 42, "x" * 100_000, "é" * 43, "a" * 42 + "\n", "../" * 14 + "x"])
def test_what_was_never_issued_opens_nothing(tickets: Tickets, ticket: str) -> None:
    tickets.issue(USER)
    with pytest.raises(TicketRefused):
        tickets.redeem(ticket)


def test_of_two_that_come_at_once_one_is_let_in(tickets: Tickets, dynamodb: Any) -> None:
    ticket = tickets.issue(USER)

    class Overtaken:
        """Another redeems the ticket between the caller's look at it and its write."""

        def delete_item(self, **request: Any) -> Any:
            tickets.redeem(ticket)
            return dynamodb.delete_item(**request)

    with pytest.raises(TicketRefused):
        Tickets(Overtaken(), "tickets", clock=tickets._clock).redeem(ticket)
