"""Routes of the risk calculator."""

from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import numpy as np

from lambdas.identity.user import TRADERS
from lambdas.postgres.database import Connection, Database
from lambdas.rest_api.application import Application
from lambdas.rest_api.closes import HourlyCloses, read_closes
from lambdas.rest_api.problems import Problem
from lambdas.rest_api.risk_requests import Holding, PortfolioRequest, PositionRequest
from tickwire.risk.errors import UnusableInput
from tickwire.risk.portfolio import PortfolioRisk, judge
from tickwire.risk.position import plan_position
from tickwire.risk.returns import AlignedReturns, align

_DOLLARS = frozenset({"USD", "USDT", "USDC"})
_PLACES = Decimal("1e-12")
_MS_PER_HOUR = 3_600_000


def add_routes(app: Application, *, database: Database) -> None:
    """Add the routes."""

    @app.resolver.post("/v1/risk/position")
    def position(asked: PositionRequest) -> dict[str, Any]:
        """Give the size of a position by what may be lost at its stop, and where it would be liquidated."""
        app.caller(TRADERS)
        values = asked.model_dump(exclude={"risk_fraction", "risk_amount"})
        try:
            plan = plan_position(risk=asked.risk, **values)
        except UnusableInput as error:
            raise _unusable(error) from error
        return {name: _text(value) if isinstance(value, Decimal) else value for name, value in asdict(plan).items()}

    @app.resolver.post("/v1/risk/portfolio")
    def portfolio(asked: PortfolioRequest) -> dict[str, Any]:
        """Give what a portfolio may lose over a horizon, by the prices of the last days."""
        app.caller(TRADERS)
        now = datetime.now(UTC)
        _check_currency(asked.positions)
        names = [(one.venue, one.symbol) for one in asked.positions]
        closes = database.run(lambda connection: _closes(connection, names, now=now, days=asked.days))
        prices = []
        for venue, symbol in names:
            last = closes[venue, symbol].last
            if last is None:
                raise Problem(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    f"There is no price of {symbol} on {venue} within {asked.days} days.",
                )
            prices.append(last)
        try:
            series = list(closes.values())
            aligned = align([one.hours for one in series], [one.closes for one in series], width=1)
            values = np.zeros(len(series))
            values[: len(names)] = np.array([one.quantity for one in asked.positions]) * prices
            judged = judge(
                aligned.returns,
                values,
                confidence=asked.confidence,
                horizon=asked.horizon_hours,
                paths=asked.paths,
                seed=asked.seed,
                reference=next((n for n, (_, symbol) in enumerate(closes) if symbol.startswith("BTC-")), None),
            )
        except UnusableInput as error:
            raise _unusable(error) from error
        return _answer(asked.positions, prices, values, judged, series, aligned)


def _closes(
    connection: Connection, names: list[tuple[str, str]], *, now: datetime, days: int
) -> dict[tuple[str, str], HourlyCloses]:
    """Give the closes of symbols, and after them Bitcoin's on a venue of theirs if it is not among them."""
    found = {
        (venue, symbol): read_closes(connection, venue=venue, symbol=symbol, now=now, days=days)
        for venue, symbol in names
    }
    if any(symbol.startswith("BTC-") for _, symbol in names):
        return found
    for venue, symbol in names:
        bitcoin = (venue, f"BTC-{symbol.split('-')[1]}")
        closes = read_closes(connection, venue=bitcoin[0], symbol=bitcoin[1], now=now, days=days)
        # One that lacks hours would take them from the others.
        if len(closes.hours) >= 0.9 * len(found[venue, symbol].hours) > 0:
            return {**found, bitcoin: closes}
    return found


def _check_currency(positions: list[Holding]) -> None:
    quotes = {one.symbol.split("-")[1] for one in positions}
    if len(quotes - _DOLLARS) + bool(quotes & _DOLLARS) > 1:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"Money of different currencies cannot be added: {', '.join(sorted(quotes))}. Dollars and their stablecoins"
            " count as one.",
        )


def _answer(
    positions: list[Holding],
    prices: list[float],
    values: np.ndarray[Any, Any],
    judged: PortfolioRisk,
    series: list[HourlyCloses],
    aligned: AlignedReturns,
) -> dict[str, Any]:
    count = len(positions)
    methods = {"historical": judged.historical, "parametric": judged.parametric, "monte_carlo": judged.monte_carlo}
    details = zip(positions, prices, values.tolist(), judged.volatilities, strict=False)
    return {
        "value": float(values.sum()),
        "positions": [
            {**holding.model_dump(), "price": price, "value": value, "volatility": volatility}
            for holding, price, value, volatility in details
        ],
        "var": {name: risk.value_at_risk for name, risk in methods.items()},
        "expected_shortfall": {name: risk.expected_shortfall for name, risk in methods.items()},
        "correlation": {
            "symbols": [f"{one.venue}:{one.symbol}" for one in positions],
            "matrix": judged.correlation[:count, :count].tolist(),
            "shrinkage": judged.shrinkage,
        },
        "scenarios": [
            {"name": one.name, "pnl": one.pnl, "by_position": list(one.by_position[:count])} for one in judged.scenarios
        ],
        "distribution": {"edges": list(judged.gains.edges), "counts": list(judged.gains.counts)},
        "data": {
            "from": min(one.hours[0] for one in series) * _MS_PER_HOUR,
            "to": (max(one.hours[-1] for one in series) + 1) * _MS_PER_HOUR,
            "observations": len(aligned.returns),
            "missing": aligned.missing,
        },
    }


def _unusable(error: UnusableInput) -> Problem:
    sentence = str(error)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{sentence[0].upper()}{sentence[1:]}.")


def _text(value: Decimal) -> str:
    """Give decimal text, to twelve places, without zeros that say nothing."""
    text = f"{value.quantize(_PLACES):f}" if abs(value) < Decimal("1e20") else f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
