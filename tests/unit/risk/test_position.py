"""Position sizes and liquidation prices, worked by hand."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.risk.errors import UnusableInput
from tickwire.risk.liquidation import PositionSide, liquidation_price
from tickwire.risk.position import PositionPlan, plan_position

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def plan(**changes: Any) -> PositionPlan:
    values: dict[str, Any] = {"side": LONG, "account": 10_000, "risk": 100, "entry": 50_000, "stop": 49_000, **changes}
    return plan_position(**{name: Decimal(str(v)) if type(v) in (int, float) else v for name, v in values.items()})


def test_a_position_loses_at_its_stop_what_may_be_lost() -> None:
    found = plan()
    # 100 over 1,000 a unit.
    assert (found.size, found.notional, found.loss_at_stop) == (Decimal("0.1"), 5_000, 100)
    assert (found.margin, found.leverage, found.limited_by) == (5_000, 1, "risk")
    assert found.liquidation_price is None
    assert not found.liquidated_before_stop


def test_fees_of_both_sides_are_part_of_the_loss() -> None:
    found = plan(fee_rate=0.001)
    # A unit loses 1,000 and 50 + 49 in fees.
    assert found.size == pytest.approx(Decimal(100) / Decimal(1_099))
    assert found.loss_at_stop == pytest.approx(Decimal(100))
    assert found.fees == pytest.approx(found.size * 99)


def test_sizes_are_whole_steps_and_never_more_than_may_be_lost() -> None:
    found = plan(stop=49_300, size_step=Decimal("0.01"))
    # 100 over 700 is 0.1428….
    assert (found.size, found.loss_at_stop) == (Decimal("0.14"), 98)


def test_the_account_may_carry_less_than_the_risk_allows() -> None:
    found = plan(stop=49_990)
    # By risk 10 units, half a million; the account carries 10,000.
    assert (found.size, found.limited_by, found.loss_at_stop) == (Decimal("0.2"), "leverage", 2)


def test_a_leveraged_position_is_liquidated_where_its_margin_is_spent() -> None:
    found = plan(stop=49_500, account=1_000, risk=100, leverage=20, maintenance_margin=0.005)
    # 0.2 units, 10,000 on a margin of 500, gone at 50,000 * 0.95 / 0.995.
    assert (found.leverage, found.margin) == (20, 500)
    assert found.liquidation_price is not None
    assert round(found.liquidation_price, 2) == Decimal("47738.69")
    assert not found.liquidated_before_stop


def test_a_stop_beyond_the_liquidation_is_told() -> None:
    assert plan(stop=47_000, leverage=20).liquidated_before_stop
    assert not plan(stop=48_000, leverage=20).liquidated_before_stop
    short = plan(side=SHORT, stop=53_000, leverage=20)
    # Gone at 50,000 * 1.05 / 1.005.
    assert short.liquidation_price is not None
    assert round(short.liquidation_price, 2) == Decimal("52238.81")
    assert short.liquidated_before_stop


def test_the_reward_is_told_after_fees() -> None:
    assert plan(target=53_000).reward_to_risk == 3
    after = plan(target=53_000, fee_rate=0.001).reward_to_risk
    assert after is not None
    # (3,000 - 50 - 53) over (1,000 + 50 + 49).
    assert after == pytest.approx(Decimal(2_897) / Decimal(1_099))


def test_a_short_is_the_mirror_of_a_long() -> None:
    found = plan(side=SHORT, stop=51_000, target=48_000)
    assert (found.size, found.loss_at_stop, found.reward_to_risk) == (Decimal("0.1"), 100, 2)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"account": 0}, "account"),
        ({"risk": 20_000}, "risked"),
        ({"stop": 50_000}, "below its entry"),
        ({"stop": 51_000}, "below its entry"),
        ({"side": SHORT}, "above its entry"),
        ({"target": 49_500}, "target"),
        ({"side": SHORT, "stop": 51_000, "target": -1}, "target"),
        ({"fee_rate": 1}, "fee rate"),
        ({"leverage": 0.5}, "leverage"),
        ({"leverage": 201}, "leverage"),
        ({"size_step": 1}, "one step"),
        ({"size_step": 0}, "size step"),
        ({"account": Decimal("NaN")}, "account"),
    ],
)
def test_numbers_that_fit_no_position_are_refused_with_why(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UnusableInput, match=says):
        plan(**changes)


@pytest.mark.parametrize(
    ("side", "inverse", "expected"),
    [
        # Leverage 10, maintenance 0.5 %, entry 50,000.
        (LONG, False, "45226.13"),  # 50,000 * 0.9 / 0.995
        (SHORT, False, "54726.37"),  # 50,000 * 1.1 / 1.005
        (LONG, True, "45681.82"),  # 50,000 * 1.005 / 1.1
        (SHORT, True, "55277.78"),  # 50,000 * 0.995 / 0.9
    ],
)
def test_liquidation_prices_by_hand(side: PositionSide, inverse: bool, expected: str) -> None:
    price = liquidation_price(
        side=side, entry=Decimal(50_000), leverage=Decimal(10), maintenance_margin=Decimal("0.005"), inverse=inverse
    )
    assert price is not None
    assert round(price, 2) == Decimal(expected)


def test_an_inverse_short_without_leverage_cannot_be_liquidated() -> None:
    none = {"entry": Decimal(1), "leverage": Decimal(1), "maintenance_margin": Decimal(0)}
    assert liquidation_price(side=SHORT, inverse=True, **none) is None
    assert liquidation_price(side=LONG, **none) is None


@pytest.mark.parametrize(
    ("entry", "leverage", "rate", "says"),
    [("0", "2", "0", "entry"), ("1", "0.9", "0", "leverage"), ("1", "2", "1", "rate"), ("1", "100", "0.01", "at once")],
)
def test_a_margin_that_is_none_is_refused(entry: str, leverage: str, rate: str, says: str) -> None:
    with pytest.raises(UnusableInput, match=says):
        liquidation_price(side=LONG, entry=Decimal(entry), leverage=Decimal(leverage), maintenance_margin=Decimal(rate))


money = st.decimals(min_value="0.01", max_value="1000000", places=2)


@given(account=money, share=st.decimals("0.001", "1", places=3), entry=money, gap=st.decimals("0.01", "0.9", places=2),
       fee=st.decimals("0", "0.01", places=4), leverage=st.decimals("1", "20", places=1),
       side=st.sampled_from(PositionSide))  # fmt: skip
def test_no_plan_loses_more_than_may_be_lost_or_needs_more_than_there_is(
    account: Decimal, share: Decimal, entry: Decimal, gap: Decimal, fee: Decimal, leverage: Decimal, side: PositionSide
) -> None:
    stop = entry * (1 - gap if side is LONG else 1 + gap)
    found = plan_position(
        side=side, account=account, risk=account * share, entry=entry, stop=stop, fee_rate=fee, leverage=leverage
    )
    tiny = Decimal("1e-20") * account
    assert found.loss_at_stop <= account * share + tiny
    assert found.margin <= account + tiny
    assert 1 <= found.leverage <= leverage


def test_steps_of_price_make_a_unit_lose_more_and_a_liquidation_come_sooner() -> None:
    long = plan(entry=Decimal("50000.3"), stop=Decimal("49000.7"), price_step=Decimal(1), risk=100)
    # In at 50,001 and out at 49,000.
    assert (long.size, long.loss_at_stop) == (pytest.approx(Decimal(100) / 1_001), pytest.approx(Decimal(100)))
    short = plan(
        side=SHORT, entry=Decimal("50000.7"), stop=Decimal("51000.3"), account=1_000, risk=1_000, leverage=20,
        price_step=Decimal(1), maintenance_margin=Decimal("0.005"),
    )  # fmt: skip
    # In at 50,000 and out at 51,001, which 20 times the account bound: 0.4 units, gone at 50,000 * 1.05 / 1.005.
    assert (short.size, short.loss_at_stop) == (Decimal("0.4"), Decimal("400.4"))
    assert short.liquidation_price == 52_238


@pytest.mark.parametrize("changes", [{"price_step": 0}, {"price_step": 2_000, "entry": 1_999, "stop": 1_500}])
def test_a_step_that_leaves_no_price_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UnusableInput, match=r"price step|stop must be positive"):
        plan(**changes)
