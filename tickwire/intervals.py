"""Sets of int64 ids kept as sorted, disjoint, inclusive ranges."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class IntervalSet:
    """A set of integers as ranges, for ids that come in runs: what is missing, what was stored.

    Ranges are inclusive ``(first, last)`` pairs, never overlapping and never touching, so equal
    sets always have equal ranges. Adding and removing take O(log n) to find the place.
    """

    __slots__ = ("_firsts", "_lasts", "count")

    count: int
    """How many integers are in the set (not how many ranges)."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self.count = 0
        for first, last in ranges:
            self.add(first, last)

    def __contains__(self, value: int) -> bool:
        index = bisect_right(self._firsts, value) - 1
        return index >= 0 and value <= self._lasts[index]

    def __bool__(self) -> bool:
        return self.count > 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IntervalSet):
            return NotImplemented
        return self._firsts == other._firsts and self._lasts == other._lasts

    __hash__ = None  # type: ignore[assignment]  # mutable, like a set

    def __repr__(self) -> str:
        return f"IntervalSet({list(self.ranges())})"

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Give the inclusive ``(first, last)`` ranges in rising order."""
        return zip(self._firsts, self._lasts, strict=True)

    @property
    def highest(self) -> int:
        """The highest integer.

        Raises
        ------
        IndexError
            If the set is empty.
        """
        return self._lasts[-1]

    def oldest(self, ranges: int) -> list[tuple[int, int]]:
        """Give the lowest ``ranges`` ranges."""
        return list(zip(self._firsts[:ranges], self._lasts[:ranges], strict=True))

    def range_count(self) -> int:
        """Give the number of ranges."""
        return len(self._firsts)

    def ranges_below(self, bound: int) -> int:
        """Give the number of ranges that lie wholly below ``bound``."""
        return bisect_left(self._lasts, bound)

    def within(self, first: int, last: int) -> list[tuple[int, int]]:
        """Give the ranges of the set's integers among ``first`` to ``last``, both included."""
        low, high = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        return [(max(first, self._firsts[i]), min(last, self._lasts[i])) for i in range(low, high)]

    def add(self, first: int, last: int) -> None:
        """Add ``first`` to ``last``, both included.

        Raises
        ------
        ValueError
            If ``last`` lies before ``first``.
        """
        _check(first, last)
        # The ranges that overlap or touch the new one become one with it.
        low, high = bisect_left(self._lasts, first - 1), bisect_right(self._firsts, last + 1)
        if low < high:
            first, last = min(first, self._firsts[low]), max(last, self._lasts[high - 1])
        self._replace(low, high, [(first, last)])

    def remove(self, first: int, last: int) -> None:
        """Take out ``first`` to ``last``, both included; what is not in the set is no error.

        Raises
        ------
        ValueError
            If ``last`` lies before ``first``.
        """
        _check(first, last)
        low, high = bisect_left(self._lasts, first), bisect_right(self._firsts, last)
        if low >= high:
            return
        rest = []
        if self._firsts[low] < first:
            rest.append((self._firsts[low], first - 1))
        if self._lasts[high - 1] > last:
            rest.append((last + 1, self._lasts[high - 1]))
        self._replace(low, high, rest)

    def remove_oldest(self, ranges: int) -> int:
        """Take out the lowest ``ranges`` ranges and give how many integers they held."""
        before = self.count
        self._replace(0, min(ranges, len(self._firsts)), [])
        return before - self.count

    def union(self, other: "IntervalSet") -> "IntervalSet":
        """Give a new set with the integers of both."""
        return IntervalSet(sorted([*self.ranges(), *other.ranges()]))

    def difference(self, other: "IntervalSet") -> "IntervalSet":
        """Give a new set with the integers of this one that are not in the other."""
        result = IntervalSet(self.ranges())
        for first, last in other.ranges():
            result.remove(first, last)
        return result

    def to_bytes(self) -> bytes:
        """Give a compact form: LEB128 of the first id (zigzag), then of each length and hole.

        Two bytes a range where runs and holes are short. Equal sets give equal bytes.
        """
        out = bytearray()
        position = 0
        for index, (first, last) in enumerate(self.ranges()):
            _put_varint(out, first - position if index else _zigzag(first))
            _put_varint(out, last - first)
            position = last
        return bytes(out)

    @classmethod
    def from_bytes(cls, data: bytes) -> "IntervalSet":
        """Read what :meth:`to_bytes` wrote.

        Raises
        ------
        ValueError
            If the bytes are cut short or describe no such set.
        """
        numbers = _varints(data)
        if len(numbers) % 2:
            raise ValueError("an interval set has an odd number of numbers")
        result = cls()
        position = 0
        for index in range(0, len(numbers), 2):
            step, length = numbers[index], numbers[index + 1]
            if index and step < 2:
                raise ValueError("ranges of an interval set touch")
            first = position + step if index else _unzigzag(step)
            position = first + length
            result._firsts.append(first)
            result._lasts.append(position)
            result.count += length + 1
        return result

    def _replace(self, low: int, high: int, ranges: list[tuple[int, int]]) -> None:
        for index in range(low, high):
            self.count -= self._lasts[index] - self._firsts[index] + 1
        self._firsts[low:high] = [first for first, _ in ranges]
        self._lasts[low:high] = [last for _, last in ranges]
        self.count += sum(last - first + 1 for first, last in ranges)


def _check(first: int, last: int) -> None:
    if last < first:
        raise ValueError(f"a range ends before it starts: {first} to {last}")


def _zigzag(value: int) -> int:
    return 2 * value if value >= 0 else -2 * value - 1


def _unzigzag(value: int) -> int:
    return value // 2 if value % 2 == 0 else -(value + 1) // 2


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _varints(data: bytes) -> list[int]:
    numbers: list[int] = []
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    if shift:
        raise ValueError("an interval set is cut short")
    return numbers
