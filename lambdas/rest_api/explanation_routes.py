"""The route to why a model predicted what it did."""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from lambdas.identity.user import READERS
from lambdas.postgres.database import Database
from lambdas.rest_api.application import Application
from lambdas.rest_api.explanations import CannotExplain, PredictionKey, explain_prediction, read_prediction
from lambdas.rest_api.parameters import since_epoch
from lambdas.rest_api.problems import Problem
from tickwire.forecast.explainer import EndpointExplainer, ExplanationRefused, ExplanationUnavailable

# As `GET /v1/predictions` writes it.
_ID = re.compile(r"([a-z0-9-]{1,20}):([A-Z0-9]{1,20}-[A-Z0-9]{1,20}):([0-9]{1,5}):([0-9]{1,14})", re.ASCII)
_NS_PER_MS, _MS_PER_MINUTE = 1_000_000, 60_000


def add_routes(app: Application, *, database: Database, explainer: EndpointExplainer | None) -> None:
    """Add the route; ``explainer`` is None where no model is served."""

    @app.resolver.get("/v1/predictions/<id>/explanation")
    def explanation(id: str) -> dict[str, Any]:  # noqa: A002
        """Give what each feature and each bar added to a prediction's probability."""
        app.caller(READERS)
        # A colon may come as it is or escaped.
        name = unquote(id)
        key, end = _key_of(name)
        stored = database.run(lambda connection: read_prediction(connection, key))
        if stored is None:
            raise _unknown()
        if explainer is None:
            raise Problem(HTTPStatus.CONFLICT, "No model is served here that could be asked.")
        try:
            return {"id": name, **explain_prediction(stored, end=end, explainer=explainer)}
        except CannotExplain as error:
            raise Problem(HTTPStatus.CONFLICT, str(error)) from error
        except ExplanationRefused as error:
            raise Problem(
                HTTPStatus.CONFLICT, "The variant that made the prediction serves no model that explains it."
            ) from error
        except ExplanationUnavailable as error:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "The model did not answer; please try again.") from error


def _key_of(name: str) -> tuple[PredictionKey, int]:
    """Read an id; also gives its time as ns UTC."""
    parts = _ID.fullmatch(name)
    if parts is None or int(parts[4]) % _MS_PER_MINUTE:
        raise _unknown()
    time = int(parts[4])
    return PredictionKey(parts[1], parts[2], int(parts[3]), since_epoch(time)), time * _NS_PER_MS


def _unknown() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "There is no such prediction.")
