"""The int64 columns of a batch, whose rows are sorted by instrument, as the rows of a matrix.

Of each instrument the first row stands by itself, and the others as what they add to the row before, sizes
as they are. Times of receipt are written as distances from the exchange's times, or by themselves, whichever are the
smaller numbers. What is left is divided by the instrument's own unit in each column. Sums wrap around
as int64 does, so any numbers come back.

Instruments with many rows are groups of their own, as what is usual differs between them; the others are one
group, the first. In it a column is one value, or varints, or a chunk of pcodec.

Layout::

    1 byte    bit 0: receive times are distances from exchange times
    nibbles   exponents of the units, column by column, an instrument each
    nibbles   the form of each group's columns, where it has rows other than first ones
    varints   first rows, column by column; then by form of each group's columns the one value, the length of
              the chunk, or all values
    chunks    back to back
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tickwire.columns import Int64
from tickwire.errors import DamagedRecord
from tickwire.wire.entropy import TYPES, pack_numbers, unpack_numbers
from tickwire.wire.units import POWERS, divide_out
from tickwire.wire.varint import decode_varints, encode_varints

CHUNK_FROM = 48
"""So many values are packed by their distribution; of fewer its description takes more bytes than it saves."""
GROUP_FROM = 1024
"""Rows from which an instrument is a group of its own."""

_CONSTANT, _VARINTS, _CHUNK = 0, 1, 2
_DISTANCES = 1
_SAMPLE = 256

_Some = slice | npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are the rows of the matrix; the last two are exchange and receive times.

    Attributes
    ----------
    columns : names in order; those before ``steps_from`` are packed as they are, the others as steps
    differences : (a, b): row a is packed as its difference from row b
    """

    columns: tuple[str, ...]
    steps_from: int
    differences: tuple[tuple[int, int], ...] = ()


def pack_matrix(rows: Int64, counts: Int64, layout: Layout, *, near: int) -> bytes:
    """Pack int64 (columns, n), each instrument of which has its count, above 0; ``near`` is ns UTC."""
    starts = counts.cumsum() - counts
    steps = _steps(rows, starts, layout)
    sampled = steps[-2:, :: 1 + rows.shape[1] // _SAMPLE]
    flags = 0
    if _bits(sampled[1] - sampled[0]) < _bits(sampled[1]):
        flags |= _DISTANCES
        steps[-1] -= steps[-2]
    origin = steps[-2, :1].copy()
    exponents = np.empty((len(rows), len(counts)), np.int64)
    firsts = np.empty_like(exponents)
    forms: list[int] = []
    numbers: list[Int64] = []
    chunks: list[bytes] = []
    for members, positions in _groups(counts):
        group = steps[:, positions]
        shares = counts[members]
        offsets = shares.cumsum() - shares
        exponents[:, members] = divide_out(group, offsets, shares)
        firsts[:, members] = group.take(offsets, axis=1)
        if group.shape[1] == len(shares):
            continue
        rest = group[:, _others(offsets, group.shape[1])]
        for values, low, high in zip(rest, rest.min(axis=1).tolist(), rest.max(axis=1).tolist(), strict=True):
            if low == high:
                forms.append(_CONSTANT)
                numbers.append(values[:1])
            elif len(values) < CHUNK_FROM:
                forms.append(_VARINTS)
                numbers.append(values)
            else:
                kind, chunk = pack_numbers(values, low=low, high=high)
                forms.append(_CHUNK + kind)
                chunks.append(chunk)
                numbers.append(np.array((len(chunk),)))
    firsts[-2] -= _references(near, origin, exponents[-2])
    head = bytes((flags,)) + _nibbles(exponents.ravel().tolist()) + _nibbles(forms)
    return b"".join((head, encode_varints(np.concatenate((firsts.ravel(), *numbers))), *chunks))


def unpack_matrix(data: npt.NDArray[np.uint8], counts: Int64, layout: Layout, *, near: int) -> Int64:
    """Give int64 (columns, n) again.

    Raises
    ------
    DamagedRecord
        If ``data`` is not exactly that.
    """
    columns, instruments = len(layout.columns), len(counts)
    ends = counts.cumsum()
    starts = ends - counts
    groups = [rest for rest in _rests(counts, starts, ends) if rest[1]]
    units_end = 1 + (columns * instruments + 1) // 2
    forms_end = units_end + (columns * len(groups) + 1) // 2
    if len(data) < forms_end or data[0] > _DISTANCES:
        raise DamagedRecord("columns are cut short, or have unknown flags")
    powers = POWERS[_from_nibbles(data[1:units_end], columns * instruments)].reshape(columns, instruments)
    forms = _from_nibbles(data[units_end:forms_end], columns * len(groups)).tolist()
    lengths = [
        size if form == _VARINTS else 1
        for form, size in zip(forms, (size for _, size in groups for _ in range(columns)), strict=True)
    ]
    numbers, size = decode_varints(data[forms_end:], columns * instruments + sum(lengths))
    firsts = numbers[: columns * instruments].reshape(columns, instruments)
    firsts[-2, :1] += near // powers[-2, :1]
    firsts[-2, 1:] += firsts[-2, :1] * powers[-2, :1] // powers[-2, 1:]
    out = np.empty((columns, int(ends[-1])), np.int64)
    out[:, starts] = firsts
    _fill_rests(data[forms_end + size :], groups, forms, numbers[columns * instruments :], out)
    for row in np.flatnonzero(np.any(powers > 1, axis=1)).tolist():
        out[row] *= powers[row].repeat(counts)
    for column, other in layout.differences:
        out[column] += out[other]
    if data[0] & _DISTANCES:
        out[-1] += out[-2]
    if groups:
        _sum_up(out[layout.steps_from :], starts)
    return out


def _fill_rests(
    data: npt.NDArray[np.uint8],
    groups: Sequence[tuple[_Some, int]],
    forms: Sequence[int],
    numbers: Int64,
    out: Int64,
) -> None:
    used = cursor = 0
    for index, form in enumerate(forms):
        (positions, size), column = groups[index // len(out)], index % len(out)
        if form == _VARINTS:
            out[column, positions] = numbers[used : used + size]
            used += size
            continue
        if form == _CONSTANT:
            out[column, positions] = numbers[used]
        elif form - _CHUNK < len(TYPES):
            length = int(numbers[used])
            if not 0 < length <= len(data) - cursor:
                raise DamagedRecord(f"a chunk of {length} bytes, of which {len(data) - cursor} are there")
            chunk = data[cursor : cursor + length].tobytes()
            out[column, positions] = unpack_numbers(chunk, form - _CHUNK, size)
            cursor += length
        else:
            raise DamagedRecord(f"a column of unknown form {form}")
        used += 1
    if cursor != len(data):
        raise DamagedRecord(f"columns end {len(data) - cursor} bytes before their data")


def _steps(rows: Int64, starts: Int64, layout: Layout) -> Int64:
    later = layout.steps_from
    steps = rows.copy()
    steps[later:, 1:] -= rows[later:, :-1]
    if len(starts) > 1:
        steps[later:, starts] = rows[later:, starts]
    for column, other in layout.differences:
        steps[column] -= steps[other]
    return steps


def _sum_up(steps: Int64, starts: Int64) -> None:
    """Turn steps into what they add up to, anew from each start."""
    if len(starts) > 1:
        # What one instrument adds up to is taken from the first row of the next one.
        steps[:, starts[1:]] -= np.add.reduceat(steps, starts, axis=1)[:, :-1]
    np.add.accumulate(steps, axis=1, out=steps)


def _groups(counts: Int64) -> Iterator[tuple[_Some, _Some]]:
    """Give each group's instruments, and its rows."""
    if counts.max() < GROUP_FROM:
        yield slice(None), slice(None)
        return
    own = counts >= GROUP_FROM
    if not own.all():
        yield (~own).nonzero()[0], (~own).repeat(counts).nonzero()[0]
    ends = counts.cumsum()
    for index in own.nonzero()[0].tolist():
        yield slice(index, index + 1), slice(ends[index] - counts[index], ends[index])


def _rests(counts: Int64, starts: Int64, ends: Int64) -> Iterator[tuple[_Some, int]]:
    """Give each group's rows but the first ones of its instruments, and how many they are."""
    if len(counts) == 1:
        yield slice(1, int(ends[0])), int(ends[0]) - 1
        return
    own = counts >= GROUP_FROM
    few = ~own
    if few.any():
        others = few.repeat(counts)
        others[starts] = False
        positions = others.nonzero()[0]
        yield positions, len(positions)
    for index in own.nonzero()[0].tolist():
        yield slice(starts[index] + 1, ends[index]), int(counts[index]) - 1


def _others(starts: Int64, n: int) -> _Some:
    """Give which of ``n`` rows do not begin an instrument."""
    if len(starts) == 1:
        return slice(1, n)
    others = np.ones(n, np.bool_)
    others[starts] = False
    return others.nonzero()[0]


def _references(near: int, origin: Int64, exponents: Int64) -> Int64:
    """Give what the exchange times of first rows are written relative to, in their units.

    The first instrument's is ``near``, that of the others the first one's own time, ``origin`` (1,).
    """
    times = origin.repeat(len(exponents))
    times[0] = near
    references: Int64 = times // POWERS[exponents]
    return references


def _bits(values: Int64) -> int:
    """Give about how many bits the values have in all."""
    # The exponents of floats: whole numbers, so that every machine decides alike.
    exponents = values.astype(np.float64).view(np.int64) >> 52 & 2047
    return int(np.maximum(exponents, 1022).sum())


def _nibbles(values: Sequence[int]) -> bytes:
    padded = [*values, 0] if len(values) % 2 else values
    return bytes([low | high << 4 for low, high in zip(padded[::2], padded[1::2], strict=True)])


def _from_nibbles(data: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    pairs = np.empty((len(data), 2), np.uint8)
    pairs[:, 0] = data & 15
    pairs[:, 1] = data >> 4
    return pairs.ravel()[:count]
