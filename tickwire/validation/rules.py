"""The named rules that a trade must keep on its own, whatever came before it.

A row that breaks several is named by the first of them, in the order of :class:`Rule`.
"""

from enum import StrEnum

import numpy as np
import numpy.typing as npt

from tickwire.columns import Side, TradeBatch, TradeFlag
from tickwire.decimals import format_fixed
from tickwire.timestamps import format_rfc3339


class Rule(StrEnum):
    """Why a trade is in quarantine; the value is the name in dead letters."""

    SYMBOL = "symbol"
    """The symbol is not one of those that this deployment carries."""
    TRADE_ID = "trade_id"
    """The id is not positive."""
    PRICE = "price"
    """The price is not positive."""
    SIZE = "size"
    """The size is not positive, or above :data:`MAX_SIZE`."""
    SIDE = "side"
    """The aggressor neither bought nor sold."""
    TIME = "time"
    """The exchange time is out of this world, or too far from the receive time."""
    STALE_ID = "stale_id"
    """The id lies behind the window and is not known to be missing: maybe seen, maybe not."""
    ID_JUMP = "id_jump"
    """The id lies absurdly far ahead, and no further ids have confirmed it yet."""


MAX_SIZE = 10**18
"""Units: 10**10 coins at scale 8. Nine such trades still fit the int64 volume of a bar."""
MAX_TIME = 2**62
"""ns UTC, the year 2116; times below it can be subtracted without leaving int64."""
HISTORY = TradeFlag.SNAPSHOT | TradeFlag.BACKFILL | TradeFlag.REDRIVEN
"""Trades that may be as old as they like."""
RULE_CODES = {rule: number for number, rule in enumerate(Rule, 1)}
"""What a kernel writes for a rule."""
_ROW_RULES = (Rule.SYMBOL, Rule.TRADE_ID, Rule.PRICE, Rule.SIZE, Rule.SIDE, Rule.TIME)


def broken_rules(batch: TradeBatch, *, known: npt.NDArray[np.bool_], max_age: int, max_ahead: int) -> list[Rule | None]:
    """Give, for each of n rows, the first rule that it breaks, or None for a good row.

    ``known`` : bool, a row of ``batch.instruments`` each, whether the symbol is carried.
    ``max_age``, ``max_ahead`` : ns that the exchange time may lie before and after the receive
    time. A receive clock 1.3 s behind the exchange's is ordinary, so ``max_ahead`` must be well
    above that. Where the receive time is 0 (unknown), only the exchange time itself is judged. A row of a
    venue's history (a snapshot, a backfill) or of a dead letter may be as old as it likes: of a quiet pair, the last 50
    trades reach back days.
    """
    if not len(batch):
        return []
    exchange, receive = batch.exchange_time, batch.receive_time
    sane = (exchange > 0) & (exchange < MAX_TIME) & (receive >= 0) & (receive < MAX_TIME)
    age = np.where(sane, receive, 0) - np.where(sane, exchange, 0)
    recent = (age <= max_age) | (batch.flags & HISTORY != 0)
    on_time = sane & ((receive == 0) | (recent & (age >= -max_ahead)))
    good = (
        known[batch.instrument],
        batch.trade_id > 0,
        batch.price > 0,
        (batch.size > 0) & (batch.size <= MAX_SIZE),
        (batch.side == Side.BUY) | (batch.side == Side.SELL),
        on_time,
    )
    result: list[Rule | None] = [None] * len(batch)
    for rule, column in reversed(list(zip(_ROW_RULES, good, strict=True))):
        for row in np.flatnonzero(~column).tolist():
            result[row] = rule
    return result


def explain(rule: Rule, batch: TradeBatch, row: int) -> str:
    """Say in one sentence what is wrong with the row, with the offending value."""
    instrument = batch.instruments[batch.instrument[row]]
    trade_id = int(batch.trade_id[row])
    match rule:
        case Rule.SYMBOL:
            return f"{instrument.venue}:{instrument.symbol} is not a symbol that is carried here"
        case Rule.TRADE_ID:
            return f"trade id {trade_id} is not positive"
        case Rule.PRICE:
            return f"price {format_fixed(int(batch.price[row]), instrument.price_scale)} is not positive"
        case Rule.SIZE:
            text = format_fixed(int(batch.size[row]), instrument.size_scale)
            limit = format_fixed(MAX_SIZE, instrument.size_scale)
            return f"size {text} is not between 0 and {limit}"
        case Rule.SIDE:
            return f"side {int(batch.side[row])} is neither buy (1) nor sell (2)"
        case Rule.TIME:
            exchange, receive = int(batch.exchange_time[row]), int(batch.receive_time[row])
            return f"exchange time {format_rfc3339(exchange)}, received {format_rfc3339(receive)}"
        case Rule.STALE_ID:
            return f"trade id {trade_id} is older than the window and not known to be missing"
        case Rule.ID_JUMP:
            return f"trade id {trade_id} is too far ahead of the last one"
