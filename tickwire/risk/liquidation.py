"""At which price an isolated margin position is liquidated.

A linear perpetual (margined and settled in the quote currency) is liquidated when what is left of its margin is the
maintenance margin: margin + (P - entry) * size = rate * P * size for a long. With margin = entry * size / leverage
that gives P = entry * (1 - 1/leverage) / (1 - rate), and for a short P = entry * (1 + 1/leverage) / (1 + rate).
An inverse perpetual (margined and settled in the base currency, sized in quote currency) loses, long,
contracts * (1/P - 1/entry) of base currency: its long is liquidated at P = entry * (1 + rate) / (1 + 1/leverage), its
short at P = entry * (1 - rate) / (1 - 1/leverage). Both as exchanges document them for isolated margin, without fees
and funding, which make it come sooner.
"""

from decimal import Decimal
from enum import StrEnum

from tickwire.risk.errors import UnusableInput


class PositionSide(StrEnum):
    """A long gains when the price rises, a short when it falls."""

    LONG = "long"
    SHORT = "short"


def liquidation_price(
    *,
    side: PositionSide,
    entry: Decimal,
    leverage: Decimal,
    maintenance_margin: Decimal,
    inverse: bool = False,
) -> Decimal | None:
    """Give the price of liquidation, or None where none is reached: an unleveraged position ends at a price of 0.

    Parameters
    ----------
    entry : price at which the position was opened
    leverage : notional over margin, at least 1
    maintenance_margin : rate, a fraction of the notional

    Raises
    ------
    UnusableInput
        If a number is out of range, or the margin is less than the maintenance margin from the first.
    """
    if entry <= 0:
        raise UnusableInput("the entry price must be positive")
    if leverage < 1:
        raise UnusableInput("the leverage must be at least 1")
    if not 0 <= maintenance_margin < 1:
        raise UnusableInput("the maintenance margin is a rate from 0 up to, but not, 1")
    initial = 1 / leverage
    if maintenance_margin >= initial:
        raise UnusableInput(
            f"at a leverage of {leverage} the margin, {initial:.4f} of the notional, is no more than the maintenance"
            f" margin of {maintenance_margin}: the position would be liquidated at once"
        )
    long = side is PositionSide.LONG
    if inverse:
        below = 1 + initial if long else 1 - initial
        if below == 0:
            return None
        return entry * (1 + maintenance_margin if long else 1 - maintenance_margin) / below
    if long:
        price = entry * (1 - initial) / (1 - maintenance_margin)
        return price if price > 0 else None
    return entry * (1 + initial) / (1 + maintenance_margin)
