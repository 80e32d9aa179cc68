"""What a feed makes of frames one by one and of the same frames together, as plain values that can be compared."""

import json
import re
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.unit.venues.conformance import FEEDS, new_feed
from tickwire.venues.discovery import load
from tickwire.venues.feed import Feed, ParsedFrames
from tickwire.venues.frame_buffer import FrameBuffer
from tickwire.venues.layout import Layout

FEEDS_WITH_LAYOUTS = [name for name in FEEDS if load(FEEDS[name]).layouts]

Frames = Sequence[tuple[bytes, int]]
"""(frame, time of receipt) of each."""


def outcome(out: ParsedFrames) -> dict[str, Any]:
    """Give all that was made of frames but the drift, which is looked for in some frames only."""
    rows: dict[str, Any] = {}
    for name, batch in (("trades", out.trades.batch()), ("quotes", out.quotes.batch())):
        columns = [getattr(batch, column).tolist() for column in batch.COLUMNS if column != "instrument"]
        instruments = [batch.instruments[k] for k in batch.instrument]
        rows[name] = list(zip(instruments, *columns, strict=True))
        assert all(getattr(batch, column).dtype == dtype for column, dtype in batch.COLUMNS.items())
        assert all(getattr(batch, column).flags.c_contiguous for column in batch.COLUMNS)
    others = ("heartbeats", "rejects", "statuses", "frames", "ignored", "checksum_failures", "replies")
    return rows | {name: getattr(out, name) for name in others}


def one_by_one(feed: Feed, frames: Frames) -> dict[str, Any]:
    """Parse each frame by itself."""
    out = ParsedFrames()
    for frame, received in frames:
        feed.parse(frame, received, out)
    return outcome(out)


def together(feed: Feed, frames: Frames, sizes: Sequence[int] = ()) -> tuple[dict[str, Any], int]:
    """Parse frames in runs of these sizes and a last one of the rest; give how many matched no layout, too."""
    out, buffer, at = ParsedFrames(), FrameBuffer(), 0
    for size in [*sizes, len(frames)]:
        buffer.clear()
        for frame, received in frames[at : at + size]:
            buffer.append(frame, received)
        feed.parse_frames(buffer, out)
        at += size
    slow = out.slow_frames
    return outcome(out), slow


def assert_alike(name: str, frames: Frames, sizes: Sequence[int] = ()) -> int:
    """Compare both ways with fresh parsers; give how many frames matched no layout."""
    alone = one_by_one(new_feed(name), frames)
    joined, slow = together(new_feed(name), frames, sizes)
    for part, value in alone.items():
        assert joined[part] == value, part
    return slow


_WHOLE = r"(0|[1-9][0-9]{0,17})"
_PATTERNS = {
    **dict.fromkeys(("trade_id", "update_id", "sequence", "int"), _WHOLE),
    **dict.fromkeys(("price", "size", "bid_price", "bid_size", "ask_price", "ask_size"), _WHOLE + r"(\.[0-9]+)?"),
    "number": "-?" + _WHOLE + r"(\.[0-9]+)?",
    "epoch": r"[1-9]([0-9]{9}|[0-9]{12}|[0-9]{15})",
    "rfc3339": r"2[01][0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z",
    "symbol": r'[^"\\]{1,31}',
    "text": r'[^"\\]*',
    "name": r'[^"\\]{0,32}',
    "uuid": r'[^"\\]{36}',
    "rows": "(",
    "/rows": ",?)+",
}


def pattern_of(layout: Layout) -> re.Pattern[str]:
    """Give a pattern of what a layout is to match, apart from the code that reads it."""
    sides = "|".join(word for word, _ in layout.sides)
    parts = re.split("<([a-z0-9_/]+)>", layout.frame)
    text = "".join(
        (f"({sides})" if part == "side" else _PATTERNS[part]) if k % 2 else re.escape(part)
        for k, part in enumerate(parts)
    )
    return re.compile(text)


def matching_none(feed: Feed, frames: Frames) -> int:
    """Count the frames that no layout of a feed is to match."""
    patterns = [pattern_of(layout) for layout in feed.layouts]
    texts = [frame.decode("latin-1") for frame, _ in frames]
    return sum(not any(pattern.fullmatch(text) for pattern in patterns) for text in texts)


def random_frame(layout: Layout, random: Random, symbol: str) -> bytes:
    """Write a frame of a layout with values of any length that a venue might send."""
    text = layout.frame
    if "<rows>" in text:
        head, row, tail = re.split("</?rows>", text)
        text = head + ",".join([row] * random.randint(1, 4)) + tail
    ids = iter(range(random.randrange(10**9), 10**10))
    sides = [word for word, _ in layout.sides]

    def number() -> str:
        whole = str(random.randrange(1, 10 ** random.randint(1, 9)))
        places = random.randint(0, 8)
        return f"{whole}.{''.join(random.choices('0123456789', k=places))}" if places else whole

    def value(field: re.Match[str]) -> str:
        match field[1]:
            case "symbol":
                return symbol
            case "trade_id":
                return str(next(ids))
            case "update_id" | "sequence" | "int":
                return str(random.randrange(10 ** random.randint(1, 18)))
            case "epoch":
                return str(random.randrange(10**9, 9 * 10**9)) + random.choice(["", "123", "123456"])
            case "rfc3339":
                places = random.randint(0, 9)
                fraction = "." + "".join(random.choices("0123456789", k=places)) if places else ""
                return (
                    f"20{random.randint(10, 40)}-0{random.randint(1, 9)}-{random.randint(10, 28)}T23:59:59{fraction}Z"
                )
            case "side":
                return random.choice(sides)
            case "uuid":
                return "".join(random.choices("0123456789abcdef-", k=36))
            case "text" | "name":
                return "".join(random.choices("abc-19: ", k=random.randint(0, 30)))
            case name:
                sign = random.choice(["", "-"]) if name == "number" else ""
                return sign + number()

    frame = re.sub("<([a-z0-9_]+)>", value, text)
    assert isinstance(json.loads(frame), dict)
    return frame.encode()
