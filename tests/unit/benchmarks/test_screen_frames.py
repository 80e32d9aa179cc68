"""What a trace says of a page's frames, on traces written by hand."""

from typing import Any

import pytest

from benchmarks.screen_frames import script_by_frame
from tickwire.errors import TickwireError

FRAME = 1e6 / 60


def event(name: str, start: float, wall: float, *, cpu: float | None = None, thread: int = 1) -> dict[str, Any]:
    spent = {} if cpu is None else {"tdur": cpu}
    return {"name": name, "ph": "X", "pid": 7, "tid": thread, "ts": start, "dur": wall, **spent}


def test_script_counts_once_in_the_frame_in_which_it_begins_by_the_processor_clock() -> None:
    events = [
        event("FunctionCall", 1_000.0, 5_000.0, cpu=3_000.0),
        event("FunctionCall", 2_000.0, 1_000.0, cpu=1_000.0),  # within the first
        event("MinorGC", 7_000.0, 500.0),
        event("TimerFire", 1_000.0 + 2.5 * FRAME, 4_000.0, cpu=2_000.0),
        event("Paint", 9_000.0, 9_000.0, cpu=9_000.0),  # no script
        event("FunctionCall", 3_000.0, 8_000.0, cpu=8_000.0, thread=2),  # another thread, which runs less often
    ]
    assert script_by_frame(events).tolist() == [3.5, 0.0, 2.0]


def test_a_trace_without_script_is_told() -> None:
    with pytest.raises(TickwireError, match="no script"):
        script_by_frame([event("Paint", 0.0, 1.0)])
