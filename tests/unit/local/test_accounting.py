"""The books of a run: what must add up, and what is said when it does not."""

from local.accounting import SymbolBooks, audit, hop_latencies, quantiles
from tickwire.intervals import IntervalSet
from tickwire.records import Progress

KEY = "kraken:BTC-USD"


def progress(**over) -> Progress:
    figures = {
        "venue": "kraken",
        "symbol": "BTC-USD",
        "first_id": 1,
        "last_id": 10,
        "accepted": 10,
        "duplicates": 0,
        "quarantined": 0,
        "quarantined_ids": 0,
        "missing": 0,
        "missing_ranges": (),
        "time": 0,
    }
    return Progress(**(figures | over))


def books(**over) -> dict[str, SymbolBooks]:
    figures = {
        "received": 10,
        "progress": progress(),
        "stored": IntervalSet([(1, 10)]),
        "stored_rows": 10,
        "announced": IntervalSet([(1, 10)]),
        "quarantined_ids": frozenset(),
    }
    return {KEY: SymbolBooks(**(figures | over))}


def test_books_that_add_up_have_no_problem():
    verdict = audit(books())
    assert verdict.problems == ()
    assert verdict.unaccounted == 0


def test_duplicates_and_quarantined_rows_are_accounted_for():
    verdict = audit(
        books(
            received=14,
            progress=progress(accepted=9, duplicates=4, quarantined=1, quarantined_ids=1),
            stored=IntervalSet([(1, 4), (6, 10)]),
            stored_rows=9,
            quarantined_ids=frozenset({5}),
        )
    )
    assert verdict.problems == ()


def test_id_missing_by_name_is_accounted_for():
    verdict = audit(
        books(
            received=9,
            progress=progress(accepted=9, missing=1, missing_ranges=((5, 5),)),
            stored=IntervalSet([(1, 4), (6, 10)]),
            stored_rows=9,
        )
    )
    assert verdict.problems == ()


def test_trade_lost_between_the_ingestor_and_the_lake_is_unaccounted_and_named():
    verdict = audit(books(stored=IntervalSet([(1, 4), (6, 10)]), stored_rows=9))
    assert verdict.unaccounted == 1
    assert any("differ by 1" in problem for problem in verdict.problems)
    assert any("announced but nowhere: 5" in problem for problem in verdict.problems)


def test_trade_stored_twice_is_a_problem():
    verdict = audit(books(stored_rows=11))
    assert verdict.stored_twice == 1
    assert len(verdict.problems) == 1


def test_announced_trade_that_nobody_received_nor_missed_is_unaccounted():
    verdict = audit(books(announced=IntervalSet([(1, 11)])))
    assert verdict.unaccounted == 1
    assert "11" in verdict.problems[0]


def test_without_a_witness_only_the_sums_are_compared():
    assert audit(books(announced=None)).problems == ()


def test_quantiles_are_nearest_rank_in_milliseconds():
    assert quantiles([k / 1000 for k in range(1, 101)]) == {"p50": 51.0, "p99": 100.0}
    assert quantiles([]) == {"p50": None, "p99": None}


def test_hops_become_time_since_the_stage_before():
    hops = [(("ingestor", 0), ("validator", 20_000_000), ("signals", 50_000_000))]
    assert hop_latencies(hops) == {
        "validator": {"p50": 20.0, "p99": 20.0},
        "signals": {"p50": 30.0, "p99": 30.0},
    }
