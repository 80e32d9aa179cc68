import pytest

from tickwire.counters import CounterCursor
from tickwire.errors import CounterJump


def test_cursor_admits_the_next_skips_repeats_and_refuses_a_jump():
    cursor = CounterCursor(partition=3, last=5)
    assert cursor.admit(6)
    assert not cursor.admit(6)
    assert not cursor.admit(1)
    assert cursor.admit(7)
    with pytest.raises(CounterJump, match="partition 3: counter 9 came after 7"):
        cursor.admit(9)
    assert cursor.last == 7
