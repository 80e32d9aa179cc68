"""Floods of one notice become one line a second with a count."""

from ecs_tasks.ingestor.notices import MAX_KINDS, MAX_TEXT, OTHER, NoticeBoard
from tickwire.partitions import partition_of

SECOND = 1_000_000_000


def test_the_same_notice_is_given_at_most_once_a_second_with_its_count() -> None:
    board = NoticeBoard(partitions=1)
    board.post("v", "checksum", "book", time=5)
    assert [(n.count, n.time) for n in board.take(0, 0)] == [(1, 5)]
    board.post("v", "checksum", "book", time=6, count=3)
    board.post("v", "checksum", "book", time=8)
    assert not board.is_due(0, SECOND - 1)
    assert board.take(0, SECOND - 1) == ()
    assert board.is_due(0, SECOND)
    assert [(n.count, n.time) for n in board.take(0, SECOND)] == [(4, 8)]
    assert board.take(0, 5 * SECOND) == ()


def test_final_gives_what_is_not_due_yet() -> None:
    board = NoticeBoard(partitions=1)
    for count in (1, 2):
        board.post("v", "connection", "x", time=1, count=count)
        assert [n.count for n in board.take(0, 0, final=True)] == [count]


def test_a_notice_rides_in_the_partition_of_its_venue() -> None:
    board = NoticeBoard(partitions=8)
    board.post("kraken", "connection", "x", time=1)
    assert [p for p in range(8) if board.take(p, 0)] == [partition_of("kraken", "*", 8)]


def test_texts_are_cut_made_printable_and_bounded_in_number() -> None:
    board = NoticeBoard(partitions=1)
    board.post("v", "venue_status", "a\nb\x00" + "c" * 500, time=1)
    (notice,) = board.take(0, 0)
    assert len(notice.text) == MAX_TEXT
    assert notice.text.isprintable()
    for number in range(MAX_KINDS + 100):
        board.post("v", "schema_drift", f"field{number}", time=1)
    notices = board.take(0, 0)
    assert len(notices) == MAX_KINDS + 1
    assert sum(n.count for n in notices) == MAX_KINDS + 100
    assert [n.count for n in notices if n.text == OTHER] == [100]
