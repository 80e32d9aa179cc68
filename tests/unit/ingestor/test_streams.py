"""A stream that falls silent while its siblings speak."""

from ecs_tasks.ingestor.batcher import Added, Seen
from ecs_tasks.ingestor.streams import StreamWatch
from tickwire.symbols import instrument

BTC, ETH = instrument("v", "BTC-USD"), instrument("v", "ETH-USD")


def trades(*instruments: object) -> Added:
    return Added(trades=tuple(Seen(i, 1, 1, 1) for i in instruments))  # type: ignore[arg-type]


def test_a_liquid_stream_that_stops_while_a_sibling_speaks_is_named() -> None:
    watch = StreamWatch(30)
    for second in range(100):
        watch.observe(trades(BTC, ETH), float(second))
    for second in range(100, 129):
        watch.observe(trades(ETH), float(second))
        assert watch.silent(float(second)) is None
    watch.observe(trades(ETH), 129.0)
    assert watch.silent(129.0) == ("BTC-USD", "trades")


def test_trades_that_stop_while_quotes_of_the_same_symbol_go_on_are_named() -> None:
    watch = StreamWatch(30)
    for second in range(100):
        watch.observe(Added(trades=(Seen(BTC, 1, 1, 1),), quotes=((BTC, 1),)), float(second))
    for second in range(100, 140):
        watch.observe(Added(quotes=((BTC, 1),)), float(second))
    assert watch.silent(139.0) == ("BTC-USD", "trades")


def test_a_quiet_pair_is_never_taken_for_dead() -> None:
    watch = StreamWatch(30)
    for second in range(0, 2000, 10):
        watch.observe(trades(BTC, ETH) if second % 50 == 0 else trades(BTC), float(second))
    # ETH speaks every 50 s, BTC every 10 s: for neither is a silence of 30 s out of the ordinary.
    for second in range(2000, 2100, 10):
        watch.observe(trades(BTC), float(second))
        assert watch.silent(float(second)) is None
    assert watch.liquid() == frozenset()


def test_when_all_fall_silent_no_single_stream_is_blamed() -> None:
    watch = StreamWatch(30)
    for second in range(100):
        watch.observe(trades(BTC, ETH), float(second))
    assert watch.silent(200.0) is None


def test_our_own_pause_is_not_the_streams_silence() -> None:
    watch = StreamWatch(30)
    for second in range(100):
        watch.observe(trades(BTC, ETH), float(second))
    watch.forgive(150.0)
    watch.observe(trades(ETH), 151.0)
    assert watch.silent(151.0) is None
    watch.observe(trades(ETH), 181.0)
    assert watch.silent(181.0) == ("BTC-USD", "trades")


def test_a_new_connection_names_what_it_has_never_seen() -> None:
    old, new = StreamWatch(30), StreamWatch(30)
    for second in range(100):
        old.observe(trades(BTC, ETH), float(second))
    new.observe(trades(ETH), 0.0)
    assert new.never_seen(old.liquid()) == {("BTC-USD", "trades")}
