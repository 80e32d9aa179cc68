"""Makes one kernel of a feed's layouts: its source text, compiled once for all connections.

The kernel goes through frames that lie back to back. It tries the layouts on each in turn, writes the rows of
the first that matches to the last byte, and notes the number of a frame that matches none. It stops at a frame
that matches but for a symbol that is not in the table, since only ``parse``'s own rules say what that means.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from tickwire.venues.feed import MAX_FRAME_BYTES
from tickwire.venues.layout import DECIMALS, INTEGERS, Layout, pieces, quote_columns

TRADE_WORDS = ("trade_id", "price", "size", "exchange_time", "receive_time")
"""The int64 columns of trades in the order in which a kernel writes them."""

SIGNATURE = (
    "void(Array(uint8, 1, 'C', readonly=True), int64[::1], int64[::1], int64[:, ::1], int32[::1], int8[::1],"
    " int64[:, ::1], int32[::1], int64[:, ::1], int64[::1], int64[::1])"
)

_HEAD = """\
def read_frames(data, times, slots, trades, trade_rows, trade_sides, quotes, quote_rows, slow, sequences, state):
    base = address_of(data)
    table = address_of(slots)
    mask = len(slots) // 8 - 1
    frame, trade, quote, passed = state[0], state[1], state[2], state[3]
    second_head, second_middle, second_tail, second = word(0), word(0), word(0), 0
    start = base + state[6]
    state[5] = 0
    while frame < len(times):
        p = start
        received = times[frame]
        matched = False
        failed = False
        missing = 0
        missing_end = 0
        before = 0
        sequence = -1
        row = trade
        quoted = quote
"""
_TAIL = """\
        if not matched:
            p = end_of_line(start)
            slow[passed, 0], slow[passed, 1], slow[passed, 2] = frame, trade, quote
            passed += 1
        elif missing != 0:
            state[4], state[5], state[7] = missing - base, missing_end - missing, p + 1 - base
            break
        else:
            trade, quote = row, quoted
            sequences[frame] = sequence
        start = p + 1
        frame += 1
    state[0], state[1], state[2], state[3], state[6] = frame, trade, quote, passed, start - base
"""


@lru_cache(maxsize=64)
def compiled(layouts: tuple[Layout, ...]) -> Callable[..., None]:
    """Give the kernel of a feed's layouts; feeds with the same ones share it.

    It takes ``(data, receive_times, slots, trades, trade_rows, trade_sides, quotes, quote_rows, slow,
    sequences, state)``: the columns of a :class:`FrameBuffer`, a :class:`SymbolSlots`'s slots, and the arrays
    that it fills: int64 (5, capacity) :data:`TRADE_WORDS`, int32 and int8 (capacity,), int64 (7, n) the
    columns of quotes, int32 (n,), int64 (n, 3) with the frame and the trades and quotes before it for each
    frame that matches no layout, int64 (n,) the message number of each frame, or -1. ``state`` is int64 (8,):
    the next frame, how many trades, quotes and frames that match none there are, where the unknown symbol
    of the next frame starts in ``data`` and how long it is, or 0 where there is none, where the next frame
    starts, and where the one behind it does if there is an unknown symbol.
    """
    from tickwire.compiled import kernel
    from tickwire.venues import layout_kernel, layout_words_kernel

    text = source(layouts)
    names: dict[str, Any] = {"np": np, "word": np.uint64, **vars(layout_words_kernel), **vars(layout_kernel)}
    exec(compile(text, "frame_layouts.py", "exec"), names)  # noqa: S102 - the text is made here of layouts of our own
    built: Callable[..., None] = kernel(SIGNATURE)(names["read_frames"])
    return built


def compiled_layout(feed: str) -> Callable[..., None] | None:
    """Compile the kernel of a feed, or take it from the cache; None for a feed without layouts.

    Raises
    ------
    KeyError
        If there is no feed of that name.
    """
    from tickwire.venues.discovery import load
    from tickwire.venues.registry import FEEDS

    layouts: tuple[Layout, ...] = load(FEEDS[feed]).layouts
    return compiled(layouts) if layouts else None


def source(layouts: tuple[Layout, ...]) -> str:
    """Give the text of the kernel of these layouts, which are tried in turn."""
    lines = []
    for k, layout in enumerate(layouts):
        if k:
            lines.append("        if not matched:")
        indent = " " * (12 if k else 8)
        lines += [indent + line for line in ["row, quoted, missing = trade, quote, 0", "while True:"]]
        lines += [indent + "    " + line for line in _Attempt(layout).lines()]
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


class _Attempt:
    """Writes the lines that try one layout; ``break`` leaves it, with ``matched`` still false if it fails."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._pieces = pieces(layout)
        self._has_rows = "rows" in self._pieces

    def lines(self) -> list[str]:
        lines = ["p = start"]
        row: list[str] | None = None
        for piece in self._pieces:
            into = lines if row is None else row
            if piece == "rows":
                row = []
            elif piece == "/rows":
                into += [*self._end_of_row(), "if load_byte(p) != 44:", "    failed = False", "    break", "p += 1"]
                lines += ["failed = True", "while True:", *("    " + line for line in into), "if failed:", "    break"]
                row = None
            else:
                into += _literal(piece) if isinstance(piece, bytes) else self._field(piece)
        if not self._has_rows:
            lines += self._end_of_row()
        return [*lines, f"matched = load_byte(p) == 10 and p - start <= {MAX_FRAME_BYTES}", "break"]

    def _field(self, name: str) -> list[str]:
        refuse = ["if p == 0:", "    break"]
        if name == "symbol":
            return [
                "slot, symbol_end = find_symbol(p, table, mask)",
                "if symbol_end == 0:",
                "    break",
                "if slot == 0 and missing == 0:",
                "    missing, missing_end = p, symbol_end",
                "p = symbol_end",
            ]
        if name in INTEGERS:
            return [f"{name}, p = whole_number(p)", *refuse]
        if name in DECIMALS:
            return [f"{name}, {name}_places, p = decimal(p)", *refuse]
        if name == "epoch":
            return ["time, p = epoch(p)", *refuse]
        if name == "rfc3339":
            return [
                "head, middle, tail = load_word(p), load_word(p + 8), load_word(p + 11)",
                "if (head ^ second_head) | (middle ^ second_middle) | (tail ^ second_tail) != word(0):",
                "    second = whole_second(p)",
                "    second_head, second_middle, second_tail = head, middle, tail",
                "    if second < 0:",
                "        second_head = word(0)",
                "        break",
                "time, p = rest_of_second(p + 19)",
                *refuse,
                "time += second * 1_000_000_000",
            ]
        if name == "side":
            return self._side()
        if name == "int":
            return ["p = whole_number(p)[1]", *refuse]
        if name == "uuid":
            return ["p = end_of_order_id(p)", *refuse]
        if name == "number":
            return ["p = end_of_number(p)", *refuse]
        if name == "name":
            after = self._pieces[self._pieces.index(name) + 1]
            stop = ord(after[:1])
            return [f"q = end_of_text(p, {stop})", "if q == 0 or q - p > 32:", "    break", "p = q"]
        return ["p = end_of_text(p, 34)", *refuse]

    def _side(self) -> list[str]:
        # Without a branch for each text: sides follow no pattern that a processor could learn.
        lines = ["text = load_word(p)", "side, taken = 0, 0"]
        for text, side in self._layout.sides:
            value, mask = _masked(text.encode())
            lines += [
                f"same = int(text & word({mask}) == word({value}))",
                f"side += same * {int(side)}",
                f"taken += same * {len(text)}",
            ]
        return [*lines, "if taken == 0:", "    break", "p += taken"]

    def _end_of_row(self) -> list[str]:
        decimals = [name for name in self._pieces if name in DECIMALS]
        scaled = []
        for name in decimals:
            scale = "size_scale" if str(name).endswith("size") else "price_scale"
            least = 1 if str(name).endswith("_price") else 0
            scaled += [f"{name} = at_scale({name}, {name}_places, {scale})", f"if {name} < {least}:", "    break"]
        known = [
            "instrument = np.int32(load_word(slot + 40))",
            "price_scale, size_scale = np.int64(load_word(slot + 48)), np.int64(load_word(slot + 56))",
            *scaled,
        ]
        # An unknown symbol stops no attempt, as the frame must match before anyone is asked about it.
        lines = ["if slot != 0:", *("    " + line for line in known)]
        return lines + (self._write_quote() if self._layout.is_quote else self._write_trade())

    def _write_trade(self) -> list[str]:
        values = dict(zip(TRADE_WORDS, ("trade_id", "price", "size", "time", "received"), strict=True))
        lines = [f"    trades[{k}, row] = {value}" for k, value in enumerate(values.values())]
        lines += ["    trade_rows[row] = instrument", "    trade_sides[row] = side"]
        if self._layout.rising and self._has_rows:
            lines += ["if row > trade and trade_id < before:", "    break", "before = trade_id"]
        return [*lines, "row += 1"]

    def _write_quote(self) -> list[str]:
        has_time = "epoch" in self._pieces or "rfc3339" in self._pieces
        given = {"receive_time": "received", "exchange_time": "time" if has_time else "received"}
        if "update_id" not in self._pieces:
            given["update_id"] = "0"
        lines = [f"    quotes[{k}, quoted] = {given.get(name, name)}" for k, name in enumerate(quote_columns())]
        return [*lines, "    quote_rows[quoted] = instrument", "quoted += 1"]


def _literal(text: bytes) -> list[str]:
    """Compare a literal, all its words before one branch, and step over it."""
    compared = []
    for at in range(0, len(text), 8):
        value, mask = _masked(text[at : at + 8])
        place = f"load_word(p + {at})" if at else "load_word(p)"
        differs = f"({place} ^ word({value}))"
        compared.append(differs if len(text) - at >= 8 else f"({differs} & word({mask}))")
    return [f"if {' | '.join(compared)} != word(0):", "    break", f"p += {len(text)}"]


def _masked(text: bytes) -> tuple[int, int]:
    """Give up to eight bytes as a word, and the mask of those bytes."""
    return int.from_bytes(text, "little"), (1 << 8 * len(text)) - 1
