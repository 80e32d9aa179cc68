"""How large a position may be for a given loss at its stop. Exact: money is decimal."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext

from tickwire.risk.errors import UnusableInput
from tickwire.risk.liquidation import PositionSide, liquidation_price

MAX_LEVERAGE = Decimal(200)
_DIGITS = 40


@dataclass(frozen=True, slots=True)
class PositionPlan:
    """A position as it may be opened.

    Attributes
    ----------
    size : in base currency, a multiple of the size step
    notional : size at the entry price
    risk : what may be lost, as it was asked for
    loss_at_stop : what is lost if it is closed at the stop, fees of both sides with it; never more than ``risk``
    fees : of both sides, if it is closed at the stop
    margin : what has to be put up
    leverage : notional over margin
    liquidation_price : None if it has none
    liquidated_before_stop : whether the liquidation comes first, which makes the stop worth nothing
    reward_to_risk : gain at the target over loss at the stop, after fees; None without a target
    limited_by : ``risk``, or ``leverage`` where the account does not carry a larger one
    """

    size: Decimal
    notional: Decimal
    risk: Decimal
    loss_at_stop: Decimal
    fees: Decimal
    margin: Decimal
    leverage: Decimal
    liquidation_price: Decimal | None
    liquidated_before_stop: bool
    reward_to_risk: Decimal | None
    limited_by: str


def plan_position(
    *,
    side: PositionSide,
    account: Decimal,
    risk: Decimal,
    entry: Decimal,
    stop: Decimal,
    fee_rate: Decimal = Decimal(0),
    leverage: Decimal = Decimal(1),
    maintenance_margin: Decimal = Decimal("0.005"),
    price_step: Decimal | None = None,
    size_step: Decimal | None = None,
    target: Decimal | None = None,
) -> PositionPlan:
    """Give the largest position that loses no more than ``risk`` at its stop, and that the account carries.

    A unit loses |entry - stop| + fee_rate * (entry + stop): size = risk over that, rounded down to whole steps.

    Parameters
    ----------
    account : money at hand
    risk : of that, what may be lost
    entry, stop, target : prices
    fee_rate : of the notional, on each side (0.001 is 10 bps)
    leverage : notional over the margin of the isolated position
    maintenance_margin : rate, as :func:`liquidation_price` takes it
    price_step, size_step : what prices and sizes are multiples of; prices are rounded so that a unit loses more by it,
        the liquidation price towards the entry

    Raises
    ------
    UnusableInput
        If the numbers fit no position, or not even one step of size.
    """
    _check(side, account, risk, entry, stop, fee_rate, leverage, target)
    long = side is PositionSide.LONG
    with localcontext() as context:
        context.prec = _DIGITS
        if price_step is not None:
            if price_step <= 0:
                raise UnusableInput("the price step must be positive")
            entry = _stepped(entry, price_step, up=long)
            stop = _stepped(stop, price_step, up=not long)
            target = None if target is None else _stepped(target, price_step, up=not long)
            _check(side, account, risk, entry, stop, fee_rate, leverage, target)
        unit_fees = fee_rate * (entry + stop)
        unit_loss = abs(entry - stop) + unit_fees
        by_risk, by_leverage = risk / unit_loss, account * leverage / entry
        limited_by = "risk" if by_risk <= by_leverage else "leverage"
        size = min(by_risk, by_leverage)
        if size_step is not None:
            if size_step <= 0:
                raise UnusableInput("the size step must be positive")
            size = _stepped(size, size_step, up=False)
            if size == 0:
                raise UnusableInput(
                    f"one step of {size_step} would lose {unit_loss * size_step:f} at the stop, more than may be lost"
                )
        notional = size * entry
        # Of an isolated position its margin alone is at stake, so a small one is liquidated as soon as a large one.
        liquidated = liquidation_price(side=side, entry=entry, leverage=leverage, maintenance_margin=maintenance_margin)
        if liquidated is not None and price_step is not None:
            liquidated = _stepped(liquidated, price_step, up=long)
        before = liquidated is not None and (liquidated >= stop if long else liquidated <= stop)
        reward = None
        if target is not None:
            gain = abs(target - entry) - fee_rate * (entry + target)
            reward = gain / unit_loss
        return PositionPlan(
            size=size,
            notional=notional,
            risk=risk,
            loss_at_stop=size * unit_loss,
            fees=size * unit_fees,
            margin=notional / leverage,
            leverage=leverage,
            liquidation_price=liquidated,
            liquidated_before_stop=before,
            reward_to_risk=reward,
            limited_by=limited_by,
        )


def _stepped(value: Decimal, step: Decimal, *, up: bool) -> Decimal:
    return (value / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * step


def _check(
    side: PositionSide,
    account: Decimal,
    risk: Decimal,
    entry: Decimal,
    stop: Decimal,
    fee_rate: Decimal,
    leverage: Decimal,
    target: Decimal | None,
) -> None:
    for name, value in (("account", account), ("risk", risk), ("entry", entry), ("stop", stop)):
        if not value.is_finite() or value <= 0:
            raise UnusableInput(f"the {name} must be positive")
    if risk > account:
        raise UnusableInput("more than the account cannot be risked")
    if not 0 <= fee_rate < 1:
        raise UnusableInput("the fee rate is a fraction of the notional, from 0 up to, but not, 1")
    if not 1 <= leverage <= MAX_LEVERAGE:
        raise UnusableInput(f"the leverage must be from 1 to {MAX_LEVERAGE}")
    long = side is PositionSide.LONG
    if not (stop < entry if long else stop > entry):
        raise UnusableInput(f"the stop of a {side.value} lies {'below' if long else 'above'} its entry")
    if target is not None and not (target > entry if long else 0 < target < entry):
        raise UnusableInput(f"the target of a {side.value} lies {'above' if long else 'below'} its entry")
