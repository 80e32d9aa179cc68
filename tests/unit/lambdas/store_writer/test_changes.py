from decimal import Decimal

from lambdas.postgres.text import storable
from lambdas.store_writer.changes import changes_of
from lambdas.store_writer.rows import months
from tickwire.records import Bar, Gap, Header, Notice, Progress, Quarantined, Record, RecordKind
from tickwire.timestamps import parse_rfc3339


def record(counter: int, **sections: tuple[object, ...]) -> Record:
    return Record(header=Header(RecordKind.EVENTS, 1, counter), **sections)


def bar(revision: int, *, close: int = 1, start: int = 0) -> Bar:
    return Bar("v", "A-USD", 60, start, 8, 8, 1, 2, 1, close, 3, 1, Decimal("0.5"), 4, 1, 4, revision, False, 9)


def progress(accepted: int) -> Progress:
    return Progress("v", "A-USD", 1, accepted, accepted, 0, 0, 0, 0, (), accepted)


def test_of_a_bar_the_last_revision_is_left_whatever_came_last():
    changes = changes_of([record(1, bars=(bar(1, close=10), bar(3, close=30))), record(2, bars=(bar(2, close=20),))])
    assert [(b.revision, b.close) for b in changes.bars.values()] == [(3, 30)]


def test_of_a_symbols_progress_the_last_word_is_left():
    changes = changes_of([record(1, progress=(progress(5),)), record(2, progress=(progress(9),))])
    assert changes.progress == {("v", "A-USD"): progress(9)}


def test_gaps_and_quarantined_rows_are_kept_once_and_notices_all():
    gap = Gap("v", "A-USD", 5, 9, "id_jump", 1)
    row = Quarantined("k", "v", "A-USD", 7, "positive_price", "price is 0", "0", "1", 1, 2, 3)
    notice = Notice("v", "connection", "lost", 1, 5)
    changes = changes_of(
        [
            record(1, gaps=(gap,), quarantined=(row,), notices=(notice, notice)),
            record(2, gaps=(gap,), quarantined=(row,)),
        ]
    )
    assert list(changes.gaps.values()) == [gap]
    assert list(changes.quarantined.values()) == [row]
    assert changes.notices == {(1, 1, 0): notice, (1, 1, 1): notice}


def test_months_are_those_of_utc():
    starts = ["2024-07-31T23:59:59Z", "2024-08-01T00:00:00Z", "2024-08-31T23:59:59Z", "1969-12-31T23:59:00Z"]
    found = months(bar(1, start=parse_rfc3339(start)) for start in starts)
    assert sorted(month.date().isoformat() for month in found) == ["1969-12-01", "2024-07-01", "2024-08-01"]


def test_text_that_postgresql_cannot_hold_is_replaced_and_nothing_else():
    assert storable("a\x00b") == "a\ufffdb"
    assert storable("a\ud800b") == "a\ufffdb"
    assert storable("\ud83d\ude00") == "😀"
    assert storable("naïve 😀 \u2028") == "naïve 😀 \u2028"
    assert storable("") == ""
