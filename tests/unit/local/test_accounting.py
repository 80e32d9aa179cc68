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
        "made": IntervalSet([(1, 10)]),
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


def test_a_row_stored_after_all_from_its_dead_letter_is_counted_once():
    figures = {"received": 10, "progress": progress(accepted=10, quarantined=1), "stored_rows": 10}
    assert audit(books(**figures, redriven=1)).problems == ()
    assert audit(books(**figures)).unaccounted == 1


def test_a_trade_that_was_lost_after_it_was_stored_and_came_again_was_received_twice():
    figures = {"received": 11, "reopened": IntervalSet([(4, 4)])}
    assert audit(books(**figures)).problems == ()
    assert audit(books(received=11)).unaccounted == 1


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
    assert any("nowhere here: 5" in problem for problem in verdict.problems)


def test_trade_stored_twice_is_a_problem():
    verdict = audit(books(stored_rows=11))
    assert verdict.stored_twice == 1
    assert len(verdict.problems) == 1


def test_a_trade_of_the_exchange_that_nobody_received_nor_missed_is_unaccounted():
    verdict = audit(books(made=IntervalSet([(1, 11)])))
    assert verdict.unaccounted == 1
    assert "11" in verdict.problems[0]


def test_without_a_witness_only_the_sums_are_compared():
    assert audit(books(made=None)).problems == ()


def test_what_the_exchange_traded_before_the_first_trade_seen_here_is_no_loss():
    verdict = audit(
        books(
            received=8,
            progress=progress(first_id=3, accepted=8),
            stored=IntervalSet([(3, 10)]),
            stored_rows=8,
        )
    )
    assert verdict.problems == ()


def test_what_is_called_absent_the_exchange_must_not_have():
    figures = {
        "received": 9,
        "progress": progress(accepted=9, absent=1),
        "stored": IntervalSet([(1, 4), (6, 10)]),
        "stored_rows": 9,
        "absent": IntervalSet([(5, 5)]),
    }
    assert audit(books(**figures, made=IntervalSet([(1, 4), (6, 10)]))).problems == ()
    (lost, denied) = audit(books(**figures)).problems
    assert "nowhere here: 5" in lost
    assert "called absent, but the exchange has them: [(5, 5)]" in denied


def test_quantiles_are_nearest_rank_in_milliseconds():
    assert quantiles([k / 1000 for k in range(1, 101)]) == {"p50": 51.0, "p99": 100.0}
    assert quantiles([]) == {"p50": None, "p99": None}


def test_hops_become_time_since_the_stage_before():
    hops = [(("ingestor", 0), ("validator", 20_000_000), ("signals", 50_000_000))]
    assert hop_latencies(hops) == {
        "validator": {"p50": 20.0, "p99": 20.0},
        "signals": {"p50": 30.0, "p99": 30.0},
    }
