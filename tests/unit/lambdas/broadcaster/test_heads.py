"""Sequence numbers."""

from lambdas.broadcaster.heads import Heads, Span

BTC, ETH = ("trades", "v:BTC-USD"), ("trades", "v:ETH-USD")


def test_numbers_are_dense_by_key_and_begin_at_one() -> None:
    heads = Heads()
    assert heads.take([{BTC}, {BTC, ETH}, set(), {BTC}], now=0) == {BTC: Span(1, 3), ETH: Span(1, 1)}
    assert heads.take([{ETH}], now=0) == {ETH: Span(2, 2)}


def test_who_does_not_know_the_numbers_goes_on_above_all_that_may_have_been_given() -> None:
    heads = Heads()
    heads.take([{BTC}] * 41, now=0)
    other = Heads.before(42)
    assert other.take([{BTC, ETH}], now=0) == {BTC: Span(42, 42), ETH: Span(42, 42)}
    assert heads.of(BTC) == 41


def test_a_forgotten_key_never_gets_a_number_again_and_the_others_are_left_alone() -> None:
    heads = Heads()
    heads.take([{BTC}] * 5 + [{ETH}] * 2, now=1_000)
    heads.reach(ETH, 2, now=9_000)
    heads.forget(before=9_000)
    assert (heads.of(BTC), heads.of(ETH)) == (5, 2)
    assert heads.take([{BTC, ETH}], now=9_000) == {BTC: Span(6, 6), ETH: Span(3, 3)}


def test_a_base_that_another_process_began_from_lifts_all_and_a_floor_only_who_is_not_there() -> None:
    heads = Heads()
    heads.take([{BTC}] * 5, now=0)
    heads.rise(floor=7, base=0)
    assert (heads.of(BTC), heads.of(ETH)) == (5, 7)
    heads.rise(floor=30, base=30)
    assert (heads.of(BTC), heads.of(ETH)) == (30, 30)
    heads.rise(floor=10, base=10)
    assert (heads.of(BTC), heads.of(ETH)) == (30, 30)


def test_a_copy_is_apart() -> None:
    heads = Heads()
    heads.take([{BTC}], now=0)
    copy = heads.copy()
    heads.take([{BTC}, {ETH}], now=0)
    assert (copy.of(BTC), copy.of(ETH)) == (1, 0)
