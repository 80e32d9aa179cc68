"""Sets of ids as PostgreSQL's ``int8multirange``.

PostgreSQL keeps a range of integers without its upper bound, so one that holds the highest int8 has
no upper bound at all.
"""

from collections.abc import Iterable

from psycopg.types.multirange import Multirange

from tickwire.intervals import IntervalSet

_HIGHEST = 2**63 - 1


def multirange_text(ranges: Iterable[tuple[int, int]]) -> str:
    """Give inclusive ranges as the text of a multirange: ``{[5,7],[9,9]}``."""
    return "{" + ",".join(f"[{first},{last}]" if last < _HIGHEST else f"[{first},)" for first, last in ranges) + "}"


def ids_of(multirange: Multirange[int]) -> IntervalSet:
    """Read a multirange as psycopg gives it."""
    return IntervalSet(
        (part.lower, part.upper - 1 if part.upper is not None else _HIGHEST)
        for part in multirange
        if part.lower is not None
    )
