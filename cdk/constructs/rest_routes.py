"""The routes of the HTTP API, as the modules ``lambdas/*/*_routes.py`` have them.

A path that is not here never reaches a function.
"""

OPEN_ROUTES = ("GET /v1/health",)
"""For all, without a token."""

READER_ROUTES = (
    *OPEN_ROUTES,
    "POST /ws-tickets",
    "GET /v1/bars",
    "GET /v1/continuity",
    "GET /v1/predictions",
    "GET /v1/signals",
    "GET /v1/sentiment",
)
"""Of ``lambdas/rest_api``."""
