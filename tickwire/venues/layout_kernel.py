"""The steps that the kernels made of layouts consist of: decimals, times, text and symbols.

They read at addresses, eight bytes at a time, and rely on the padding behind the frames. Each takes the
plainest form of a value alone and says so when it is another one; none judges what the value is worth.
"""

from typing import Any

import numpy as np

from tickwire.compiled import step
from tickwire.venues.layout_words_kernel import (
    HIGH_BITS,
    NOTHING,
    ONES,
    TENS,
    ZERO_DIGITS,
    all_digits,
    are_digits,
    eight_digits,
    first_marked,
    is_digit,
    load_byte,
    load_word,
)

SPACES = np.uint64(0x2020202020202020)
QUOTES = np.uint64(0x2222222222222222)
BACKSLASHES = np.uint64(0x5C5C5C5C5C5C5C5C)
NEWLINES = np.uint64(0x0A0A0A0A0A0A0A0A)
FIRST_BYTES = np.array([(1 << 8 * k) - 1 for k in range(9)], np.uint64)
MOST = np.array([(2**63 - 1) // 10**k for k in range(19)], np.int64)
"""The largest integer that fits int64 when it is multiplied by each power of ten."""
DAYS_BEFORE = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334], np.int64)
"""Days of a common year before each month, by its number."""
DAYS_IN = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64)

SLOT_BYTES = 64
"""A symbol's slot: four words of text, its length, its row, the scales of prices and of sizes."""
HASH = (
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xC2B2AE3D27D4EB4F),
    np.uint64(0x165667B19E3779F9),
    np.uint64(0xD6E8FEB86659FD93),
)


@step
def whole_number(p: int) -> tuple[int, int]:
    """Give the number at ``p``, of at most 18 digits and no leading zero, and where it ends; 0 for anything else."""
    value, count = all_digits(p)
    if count == 0 or count > 18 or (count > 1 and load_byte(p) == 48):
        return 0, 0
    return value, p + count


@step
def decimal(p: int) -> tuple[int, int, int]:
    """Give the digits at ``p`` as a number, how many are decimal places, and where they end; 0 for anything else.

    There are at most 18 digits, and no leading zero but one before the point.
    """
    whole, count = all_digits(p)
    if count == 0 or count > 18 or (count > 1 and load_byte(p) == 48):
        return 0, 0, 0
    p += count
    if load_byte(p) != 46:
        return whole, 0, p
    # Eight places are what venues write that fill up with zeros. That their end is a constant away lets
    # the processor go on before it has read them.
    values = load_word(p + 1) ^ ZERO_DIGITS
    if are_digits(values) and not is_digit(load_byte(p + 9)):
        if count > 10:
            return 0, 0, 0
        return whole * 100_000_000 + eight_digits(values), 8, p + 9
    fraction, places = all_digits(p + 1)
    if places == 0 or count + places > 18:
        return 0, 0, 0
    return whole * TENS[places] + fraction, places, p + 1 + places


@step
def at_scale(digits: int, places: int, scale: int) -> int:
    """Turn digits with decimal places into units of ``10**-scale``; -1 where that is not exact or overflows."""
    if places <= scale:
        if digits > MOST[scale - places]:
            return -1
        return int(digits * TENS[scale - places])
    beyond = TENS[places - scale]
    value = digits // beyond
    return value if value * beyond == digits else -1


@step
def epoch(p: int) -> tuple[int, int]:
    """Give the Unix time at ``p`` in ns, and where it ends; 0 for anything but 10, 13 or 16 digits."""
    # Milliseconds, whose end is a constant away: the processor goes on before it has read them.
    head, tail = load_word(p) ^ ZERO_DIGITS, (load_word(p + 8) ^ ZERO_DIGITS) << np.uint64(24)
    if are_digits(head) and are_digits(tail) and not is_digit(load_byte(p + 13)):
        value = eight_digits(head) * 100_000 + eight_digits(tail)
        if load_byte(p) == 48 or value > MOST[6]:
            return 0, 0
        return value * 1_000_000, p + 13
    value, end = whole_number(p)
    count = end - p
    if count == 16:
        places = 3
    elif count == 10:
        places = 9
    else:
        return 0, 0
    if value > MOST[places]:
        return 0, 0
    return value * TENS[places], end


@step
def two_digits(p: int) -> int:
    """Give the number of the two digits at ``p``; -1000 where one is none."""
    tens, ones = load_byte(p) - 48, load_byte(p + 1) - 48
    if tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return -1000
    return int(tens * 10 + ones)


@step
def whole_second(p: int) -> int:
    """Give the Unix time in s of ``2026-09-30T02:39:59``; -1 for anything else, and outside 2000 to 2199."""
    year = two_digits(p) * 100 + two_digits(p + 2)
    month, day = two_digits(p + 5), two_digits(p + 8)
    hour, minute, second = two_digits(p + 11), two_digits(p + 14), two_digits(p + 17)
    if load_byte(p + 4) != 45 or load_byte(p + 7) != 45 or load_byte(p + 10) != 84:
        return -1
    if load_byte(p + 13) != 58 or load_byte(p + 16) != 58:
        return -1
    if year < 2000 or year > 2199 or month < 1 or month > 12 or day < 1:
        return -1
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > DAYS_IN[month] and not (leap and month == 2 and day == 29):
        return -1
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719_162
    days += DAYS_BEFORE[month] + day - 1
    if leap and month > 2:
        days += 1
    return int(days * 86_400 + hour * 3_600 + minute * 60 + second)


@step
def rest_of_second(p: int) -> tuple[int, int]:
    """Give the ns of ``.4104Z`` or ``Z``, and where it ends; 0 for anything else."""
    # Microseconds, whose end is a constant away: the processor goes on before it has read them.
    values = (load_word(p + 1) ^ ZERO_DIGITS) << np.uint64(16)
    if are_digits(values) and load_byte(p) == 46 and load_byte(p + 7) == 90:
        return eight_digits(values) * 1_000, p + 8
    if load_byte(p) == 90:
        return 0, p + 1
    fraction, places = all_digits(p + 1)
    if load_byte(p) != 46 or places == 0 or places > 9 or load_byte(p + 1 + places) != 90:
        return 0, 0
    return fraction * TENS[9 - places], p + 2 + places


@step
def marks_in(word: Any, stops: Any) -> Any:
    """Mark what ends a text: the byte of ``stops``, a quote, a backslash, and what is not printable ASCII."""
    quote, escape, wanted = word ^ QUOTES, word ^ BACKSLASHES, word ^ stops
    # Each of these marks is exact up to its first one, so the first of all of them is.
    marks = word | ((word - SPACES) & ~word)
    marks |= ((quote - ONES) & ~quote) | ((escape - ONES) & ~escape) | ((wanted - ONES) & ~wanted)
    return marks & HIGH_BITS


@step
def end_of_text(p: int, stop: int) -> int:
    """Give where the byte ``stop`` stands at or after ``p``; 0 where it does not.

    Until there, all is printable ASCII, and there is no quote and no backslash.
    """
    stops = np.uint64(stop) * ONES
    while True:
        # Two words at once: how long a text is follows no pattern, so each branch on it is a bad guess.
        count = first_marked(marks_in(load_word(p), stops))
        more = first_marked(marks_in(load_word(p + 8), stops))
        p += count + (more if count == 8 else 0)
        if count < 8 or more < 8:
            return p if load_byte(p) == stop else 0


@step
def end_of_order_id(p: int) -> int:
    """Give where 36 bytes of text end that are printable ASCII without quote and backslash, as a UUID is; or 0."""
    marks = marks_in(load_word(p), QUOTES) | marks_in(load_word(p + 8), QUOTES)
    marks |= marks_in(load_word(p + 16), QUOTES) | marks_in(load_word(p + 24), QUOTES)
    marks |= marks_in(load_word(p + 28), QUOTES)
    return p + 36 if marks == NOTHING else 0


@step
def end_of_line(p: int) -> int:
    """Give where the first newline at or after ``p`` stands; there is one."""
    while True:
        word = load_word(p) ^ NEWLINES
        count = first_marked((word - ONES) & ~word & HIGH_BITS)
        if count < 8:
            return int(p + count)
        p += 8


@step
def end_of_number(p: int) -> int:
    """Give where the plain decimal at ``p`` ends, which may be negative; 0 for anything else."""
    if load_byte(p) == 45:
        p += 1
    return decimal(p)[2]


@step
def quotes_in(word: Any) -> Any:
    """Mark the quotes in a word; exact up to the first."""
    word ^= QUOTES
    return (word - ONES) & ~word & HIGH_BITS


@step
def first_bytes(word: Any, count: int) -> Any:
    """Give the first bytes of a word, with zeros for the others."""
    return word & FIRST_BYTES[count]


@step
def find_symbol(p: int, table: int, mask: int) -> tuple[int, int]:
    """Give the slot of the symbol at ``p``, which ends at a quote, and where it ends.

    The slot is 0 where no symbol of the table is the same text, and the end is 0 where the text is empty or
    longer than 31 bytes. ``table`` is the slots' address, and ``mask`` their number less one.
    """
    # Two words at once: most names end in one of them, and which follows no pattern.
    first, second = load_word(p), load_word(p + 8)
    third, fourth = NOTHING, NOTHING
    count = first_marked(quotes_in(first))
    taken = first_marked(quotes_in(second)) if count == 8 else 0
    first, second = first_bytes(first, count), first_bytes(second, taken)
    count += taken
    if count == 16:
        third, fourth = load_word(p + 16), load_word(p + 24)
        more = first_marked(quotes_in(third))
        rest = first_marked(quotes_in(fourth)) if more == 8 else 0
        third, fourth = first_bytes(third, more), first_bytes(fourth, rest)
        count += more + rest
        if count == 32:
            return 0, 0
    if count == 0:
        return 0, 0
    hashed = first * HASH[0] + second * HASH[1] + third * HASH[2] + fourth * HASH[3]
    hashed = (hashed ^ (hashed >> np.uint64(32))) * HASH[1]
    place = int(np.int64(hashed >> np.uint64(40))) & mask
    while True:
        slot = table + place * SLOT_BYTES
        length = np.int64(load_word(slot + 32))
        if length == 0:
            return 0, p + count
        if (
            length == count
            and load_word(slot) == first
            and load_word(slot + 8) == second
            and load_word(slot + 16) == third
            and load_word(slot + 24) == fourth
        ):
            return slot, p + count
        place = (place + 1) & mask
