"""Routes to the service itself: tickets for its WebSocket, and whether it works."""

from http import HTTPStatus
from typing import Any

from lambdas.identity.tickets import LIFE_SECONDS, Tickets
from lambdas.identity.user import READERS
from lambdas.postgres.database import Database
from lambdas.rest_api.application import Application


def add_routes(app: Application, *, database: Database, tickets: Tickets) -> None:
    """Add the routes."""

    @app.resolver.post("/ws-tickets", status_code=HTTPStatus.CREATED)
    def new_ticket() -> dict[str, Any]:
        """Give a ticket that opens one WebSocket within ``expires_in`` seconds."""
        return {"ticket": tickets.issue(app.caller(READERS)), "expires_in": LIFE_SECONDS}

    @app.resolver.get("/v1/health")
    def health() -> dict[str, str]:
        """Say that requests are answered and the database is read; the one route without a login."""
        database.run(lambda connection: connection.execute("SELECT 1").fetchone())
        return {"status": "ok"}
