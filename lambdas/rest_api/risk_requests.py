"""What the risk calculator is asked, with its limits."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tickwire.risk.liquidation import PositionSide

MAX_POSITIONS = 20

Money = Annotated[Decimal, Field(gt=0, le=Decimal("1e15"), max_digits=30)]
Rate = Annotated[Decimal, Field(ge=0, lt=1, max_digits=20)]


class PositionRequest(BaseModel):
    """A position to be sized; one of ``risk_fraction`` (of the account) and ``risk_amount`` says what may be lost."""

    model_config = ConfigDict(extra="forbid")

    side: PositionSide
    account: Money
    risk_fraction: Annotated[Decimal, Field(gt=0, le=1, max_digits=20)] | None = None
    risk_amount: Money | None = None
    entry: Money
    stop: Money
    target: Money | None = None
    fee_rate: Rate = Decimal(0)
    leverage: Annotated[Decimal, Field(ge=1, le=200, max_digits=10)] = Decimal(1)
    maintenance_margin: Rate = Decimal("0.005")
    price_step: Money | None = None
    size_step: Money | None = None

    @model_validator(mode="after")
    def _one_risk(self) -> Self:
        if (self.risk_fraction is None) == (self.risk_amount is None):
            raise ValueError("give either risk_fraction or risk_amount")
        return self

    @property
    def risk(self) -> Decimal:
        """What may be lost, in money."""
        return self.risk_amount if self.risk_amount is not None else self.account * (self.risk_fraction or 0)


class Holding(BaseModel):
    """So much of a symbol's base currency; negative if it is short."""

    model_config = ConfigDict(extra="forbid")

    venue: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,20}$")]
    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,20}-[A-Z0-9]{1,20}$")]
    quantity: Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]


class PortfolioRequest(BaseModel):
    """A portfolio to be judged."""

    model_config = ConfigDict(extra="forbid")

    positions: Annotated[list[Holding], Field(min_length=1, max_length=MAX_POSITIONS)]
    confidence: Annotated[float, Field(gt=0.5, le=0.999)] = 0.99
    horizon_hours: Annotated[int, Field(ge=1, le=168)] = 24
    days: Annotated[int, Field(ge=3, le=90)] = 30
    paths: Annotated[int, Field(ge=100, le=100_000)] = 10_000
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 1

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [(one.venue, one.symbol) for one in self.positions]
        if len(set(names)) < len(names):
            raise ValueError("name each symbol of a venue once")
        return self
