"""The layout of a venue's frames, byte for byte: what a kernel needs to read them without a JSON parser.

A layout is one of the venue's own frames with each value replaced by the name of a field::

    {"type":"trade","market":"<symbol>","id":<trade_id>,"price":"<price>",…,"time":<epoch>}

The kernel made of it takes only frames that are exactly this text around values in their plainest form:
numbers without sign, exponent or leading zeros, text of printable ASCII without escapes, one of the ``sides``,
a symbol seen before. Every other frame goes to the feed's ``parse`` by itself. So a layout may cover what a
venue sends nearly always, and leave the rest: what it leaves is read more slowly, and no differently.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from tickwire.columns import QuoteBatch, Side
from tickwire.errors import TickwireError

MAX_LITERAL = 128
"""Bytes; less than the padding behind the frames, so that no comparison leaves it."""

INTEGERS = frozenset({"trade_id", "update_id", "sequence"})
DECIMALS = frozenset({"price", "size", "bid_price", "bid_size", "ask_price", "ask_size"})
TIMES = frozenset({"epoch", "rfc3339"})
SKIPPED = frozenset({"text", "name", "uuid", "int", "number"})
FIELDS = INTEGERS | DECIMALS | TIMES | SKIPPED | {"symbol", "side", "rows", "/rows"}

_FIELD = re.compile(r"<([a-z0-9_/]+)>")
_OF_TRADE = frozenset({"symbol", "trade_id", "price", "size", "side"})
_OF_QUOTE = frozenset({"symbol", "bid_price", "bid_size", "ask_price", "ask_size"})


class MalformedLayout(TickwireError, ValueError):
    """A layout that no kernel can be made of: a fault of the programme."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of frame, of trades or of quotes.

    Attributes
    ----------
    frame : the frame with its values replaced by fields:

        ``<symbol>`` the venue's name of the instrument, 31 bytes at most; ``<trade_id>``, ``<update_id>``;
        ``<price>``, ``<size>``, ``<bid_price>``, ``<bid_size>``, ``<ask_price>``, ``<ask_size>`` decimals;
        ``<side>`` one of ``sides``; ``<epoch>`` the time in s, ms or µs, told by its digits, ``<rfc3339>``
        with at most nine places of a second and ``Z``; ``<sequence>`` the connection's message number, which
        is given to :meth:`Feed.follow`; ``<text>``, ``<int>`` and ``<number>`` what is passed over, and so are
        ``<uuid>``, text of 36 bytes, and ``<name>``, text of 32 bytes at most that ends where the next literal
        starts. ``<rows>…</rows>`` stands around what comes once or more, with commas between. Whether a number
        is text is told by the quotes around it.
    sides : (text, aggressor's side) of each text that ``<side>`` may be
    rising : whether rows that are not in order of their trade ids are left to ``parse``, as it sorts them
    """

    frame: str
    sides: tuple[tuple[str, Side], ...] = ()
    rising: bool = False

    @property
    def is_quote(self) -> bool:
        """Whether its rows are quotes; they are trades otherwise."""
        return "<bid_price>" in self.frame


def quote_columns() -> list[str]:
    """Give the int64 columns of quotes in the order in which a kernel writes them."""
    return [name for name in QuoteBatch.COLUMNS if name != "instrument"]


@lru_cache(maxsize=256)
def pieces(layout: Layout) -> tuple[bytes | str, ...]:
    """Take a layout apart: literals as bytes and fields by name, in turn.

    Raises
    ------
    MalformedLayout
        If a field is unknown or missing, two fields touch, or a literal is too long.
    """
    parts = _FIELD.split(layout.frame)
    taken: list[bytes | str] = []
    for k, part in enumerate(parts):
        if k % 2:
            taken.append(part)
        elif part:
            taken.append(part.encode())
    _check(layout, taken)
    return tuple(taken)


def least_row_bytes(layout: Layout) -> int | None:
    """Give how many bytes each row takes at least, or None where a frame holds one row."""
    if "<rows>" not in layout.frame:
        return None
    row = layout.frame.partition("<rows>")[2].partition("</rows>")[0]
    return len(_FIELD.sub("", row))


def _check(layout: Layout, taken: list[bytes | str]) -> None:
    names = [part for part in taken if isinstance(part, str)]
    if not (layout.frame.isascii() and layout.frame.isprintable()):
        raise MalformedLayout(f"more than printable ASCII in {layout.frame!r}")
    unknown = set(names) - FIELDS
    if unknown:
        raise MalformedLayout(f"unknown fields {sorted(unknown)} in {layout.frame}")
    lacking = (_OF_QUOTE if layout.is_quote else _OF_TRADE) - set(names)
    if lacking or (not layout.is_quote and not TIMES & set(names)):
        raise MalformedLayout(f"no field {', '.join(sorted(lacking)) or 'of time'} in {layout.frame}")
    read = [name for name in names if name not in SKIPPED]
    if len(set(read)) != len(read) or len(TIMES & set(read)) > 1:
        raise MalformedLayout(f"a field comes twice in {layout.frame}")
    if ("rows" in names) != ("/rows" in names) or (layout.is_quote and "rows" in names):
        raise MalformedLayout(f"rows that do not end, or of quotes, in {layout.frame}")
    for before, part in zip([b"", *taken], taken, strict=False):
        if isinstance(part, bytes) and len(part) > MAX_LITERAL:
            raise MalformedLayout(f"a literal of {len(part)} bytes in {layout.frame}")
        if isinstance(part, str) and isinstance(before, str) and not {part, before} & {"rows", "/rows"}:
            raise MalformedLayout(f"nothing stands between {before} and {part} in {layout.frame}")
    if not isinstance(taken[0], bytes) or not isinstance(taken[-1], bytes):
        raise MalformedLayout(f"not an object: {layout.frame}")
    texts = [text for text, _ in layout.sides]
    if ("side" in names) != bool(texts) or any(not 0 < len(text) <= 8 for text in texts):
        raise MalformedLayout(f"sides {texts} of {layout.frame}")
    if any(one != other and other.startswith(one) for one in texts for other in texts):
        raise MalformedLayout(f"a side of {texts} starts another one")
