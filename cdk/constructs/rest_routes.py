"""The routes of the HTTP API, as the modules ``lambdas/*/*_routes.py`` have them.

A path that is not here never reaches a function.
"""

OPEN_ROUTES = ("GET /v1/health",)
"""For all, without a token."""

READER_ROUTES = (
    *OPEN_ROUTES,
    "POST /ws-tickets",
    "GET /v1/venues",
    "GET /v1/symbols",
    "GET /v1/bars",
    "GET /v1/continuity",
    "GET /v1/predictions",
    "GET /v1/signals",
    "GET /v1/sentiment",
    "GET /v1/indicators",
    "GET /v1/track-record",
    "GET /v1/whales",
    "GET /v1/anomalies",
    "POST /v1/risk/position",
    "POST /v1/risk/portfolio",
)
"""Of ``lambdas/rest_api``."""
