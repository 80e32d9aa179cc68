"""The route to who did what."""

from datetime import timedelta
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query

from lambdas.identity.user import OPERATORS
from lambdas.operator_api.acting import actor_of
from lambdas.postgres.audit_log import AuditLog, read_entries
from lambdas.postgres.database import Database
from lambdas.rest_api.application import Application
from lambdas.rest_api.cursors import Cursor, new_cursor, read_cursor
from lambdas.rest_api.parameters import End, Start, check_range

MAX_ENTRIES = 500
_LONGEST = timedelta(days=366)


def add_routes(app: Application, *, database: Database, audit: AuditLog) -> None:
    """Add the route."""

    @app.resolver.get("/v1/audit-log")
    def audit_log(
        start: Start, end: End, limit: Annotated[int, Query(ge=1, le=MAX_ENTRIES)] = 100, cursor: Cursor = None
    ) -> dict[str, Any]:
        """Give every operator's act of a range of at most a year, newest first."""
        user = app.caller(OPERATORS)
        check_range(start, end, longest=_LONGEST)
        query = {"start": start, "end": end}
        after = read_cursor(cursor, query, int)
        audit.note(actor_of(app, user), "read audit log", f"{start.isoformat()}/{end.isoformat()}", "done")
        before = None if after is None else int(after[0])
        entries, last = database.run(
            lambda connection: read_entries(connection, start=start, end=end, limit=limit, before=before)
        )
        return {"entries": entries, "next": None if last is None else new_cursor(query, [last])}
