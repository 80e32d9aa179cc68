"""The steps of the kernels against the standard library and plain arithmetic."""

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickwire.symbols import Instrument
from tickwire.venues.frame_buffer import PADDING
from tickwire.venues.layout_kernel import (
    MOST,
    at_scale,
    decimal,
    end_of_line,
    end_of_number,
    end_of_order_id,
    end_of_text,
    epoch,
    find_symbol,
    rest_of_second,
    whole_number,
    whole_second,
)
from tickwire.venues.layout_symbols import MAX_SYMBOL_BYTES, SymbolSlots, _hash
from tickwire.venues.layout_words_kernel import TENS, all_digits


def at(step: Callable[..., Any], text: bytes, *more: int) -> Any:
    """Run a step on a text, with places in it counted from its start."""
    data = np.frombuffer(text + bytes(PADDING), np.uint8)
    return step(data.ctypes.data, *more)


def places(step: Callable[..., Any], text: bytes) -> tuple[int, ...]:
    """Run a step whose last result is an address; give that as a place in the text, None for 0."""
    data = np.frombuffer(text + bytes(PADDING), np.uint8)
    *values, end = step(data.ctypes.data)
    return (*values, end - data.ctypes.data if end else -1)


@settings(deadline=None)  # the first call compiles the step
@given(digits=st.text("0123456789", max_size=30), behind=st.sampled_from(["", '"', ".", "x", "/", ":", "\xff"]))
def test_digits_are_counted_and_read(digits: str, behind: str) -> None:
    value, count = at(all_digits, (digits + behind).encode("latin-1"))
    if len(digits) > 18:
        assert count == 19
    else:
        assert (value, count) == (int(digits or "0"), len(digits))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"0,", (0, 1)),
        (b"6486989273,", (6_486_989_273, 10)),
        (b"999999999999999999}", (999_999_999_999_999_999, 18)),
        (b"1000000000000000000}", (0, -1)),
        (b"007,", (0, -1)),
        (b"-1,", (0, -1)),
        (b"x", (0, -1)),
    ],
)
def test_whole_numbers(text: bytes, expected: tuple[int, int]) -> None:
    assert places(whole_number, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'63551.02000000"', (6_355_102_000_000, 8, 14)),
        (b"0.00000009,", (9, 8, 10)),
        (b"7}", (7, 0, 1)),
        (b"00.5,", (0, 0, -1)),
        (b"1.,", (0, 0, -1)),
        (b".5,", (0, 0, -1)),
        (b"1234567890.123456789,", (0, 0, -1)),
        (b"1.0000000000000000000,", (0, 0, -1)),
    ],
)
def test_decimals(text: bytes, expected: tuple[int, int, int]) -> None:
    assert places(decimal, text) == expected


@settings(deadline=None)  # the first call compiles the step
@given(digits=st.integers(0, 10**18 - 1), count=st.integers(0, 18), scale=st.sampled_from([5, 8, 14]))
def test_scaling_is_exact_or_refused(digits: int, count: int, scale: int) -> None:
    exact = Decimal(digits).scaleb(-count) * 10**scale if count <= 10 else Decimal(f"{digits}e{scale - count}")
    fits = exact == exact.to_integral_value() and exact < 2**63
    assert at_scale(digits, count, scale) == (int(exact) if fits else -1)


def test_every_day_of_two_centuries() -> None:
    day, end = datetime.date(2000, 1, 1), datetime.date(2200, 1, 1)
    first = day.toordinal() - datetime.date(1970, 1, 1).toordinal()
    text = b"".join(
        f"{(day + datetime.timedelta(days=k)).isoformat()}T23:59:58".encode() for k in range((end - day).days)
    )
    data = np.frombuffer(text + bytes(PADDING), np.uint8)
    for k in range((end - day).days):
        assert whole_second(data.ctypes.data + 19 * k) == (first + k + 1) * 86_400 - 2
    for wrong in (b"2199-02-29", b"2100-02-29", b"2026-04-31", b"1999-12-31", b"2200-01-01", b"2026-1x-01"):
        assert at(whole_second, wrong + b"T00:00:00") == -1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'Z"', (0, 1)),
        (b'.4104Z"', (410_400_000, 6)),
        (b'.551901038Z"', (551_901_038, 11)),
        (b'.0Z"', (0, 3)),
        (b'.5519010381Z"', (0, -1)),
        (b'.Z"', (0, -1)),
        (b'.5+00:00"', (0, -1)),
        (b',5Z"', (0, -1)),
    ],
)
def test_fractions_of_a_second(text: bytes, expected: tuple[int, int]) -> None:
    assert places(rest_of_second, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1783465157,", (1_783_465_157_000_000_000, 10)),
        (b"1783465157897,", (1_783_465_157_897_000_000, 13)),
        (b"1783465157897123,", (1_783_465_157_897_123_000, 16)),
        (b"9999999999,", (0, -1)),
        (b"178346515789,", (0, -1)),
        (b"0783465157897,", (0, -1)),
    ],
)
def test_unix_times(text: bytes, expected: tuple[int, int]) -> None:
    assert places(epoch, text) == expected


@settings(deadline=None)  # the first call compiles the step
@given(before=st.binary(max_size=24), behind=st.binary(max_size=9), stop=st.sampled_from(b'"@,'))
def test_text_ends_at_the_first_stop_or_is_refused(before: bytes, behind: bytes, stop: int) -> None:
    text = before + bytes([stop]) + behind
    first = text.index(bytes([stop]))
    plain = all(0x20 <= byte < 0x80 and byte not in b'"\\' for byte in text[:first])
    data = np.frombuffer(text + b"\n" + bytes(PADDING), np.uint8)
    start = data.ctypes.data
    assert end_of_text(start, stop) == (start + first if plain else 0)
    assert end_of_line(start) == start + (text + b"\n").index(b"\n")


@settings(deadline=None)
@given(text=st.binary(min_size=36, max_size=36), plain=st.booleans())
def test_order_ids_are_36_plain_bytes(text: bytes, plain: bool) -> None:
    text = b"ac928c66-ca53-498f-9c13-a110027a60e8" if plain else text
    accepted = all(0x20 <= byte < 0x80 and byte not in b'"\\' for byte in text)
    assert places(lambda p: (end_of_order_id(p),), text + b'"') == (36 if accepted else -1,)


@pytest.mark.parametrize(
    ("text", "end"), [(b"-0.5,", 4), (b"12,", 2), (b"--1,", -1), (b"-,", -1), (b"1e5,", 1), (b"-.5", -1)]
)
def test_numbers_that_are_passed_over(text: bytes, end: int) -> None:
    assert places(lambda p: (end_of_number(p),), text) == (end,)


def test_symbols_are_found_by_all_their_bytes_in_a_table_that_grows() -> None:
    slots = SymbolSlots()
    names = [("AB" * 16)[:k] for k in range(1, MAX_SYMBOL_BYTES + 1)] + [f"S{k}" for k in range(500)] + ["BTC\0"]
    for k, name in enumerate(names):
        assert slots.add(name.encode(), Instrument("v", name, k % 19, 8))
    mask = len(slots.slots) // 8 - 1
    assert mask + 1 >= 2 * len(names)
    assert len(slots.instruments) == len(names)

    def found(text: bytes) -> Instrument | None:
        data = np.frombuffer(text + b'"' + b"ABABABABAB" * 5 + bytes(PADDING), np.uint8)
        slot, end = find_symbol(data.ctypes.data, slots.slots.ctypes.data, mask)
        assert end in (0, data.ctypes.data + len(text))
        if not slot:
            return None
        words = slots.slots[(slot - slots.slots.ctypes.data) // 8 :][:8].tolist()
        instrument = slots.instruments[words[5]]
        assert tuple(words[6:]) == (instrument.price_scale, instrument.size_scale)
        return instrument

    for k, name in enumerate(names):
        assert found(name.encode()) == Instrument("v", name, k % 19, 8)
    for name in ("", "BTC", "S", "S500", "BA", ("AB" * 16), "X" * 40, "ABABABAC"):
        assert found(name.encode()) is None
    assert not slots.add(b"", Instrument("v", "", 8, 8))
    assert not slots.add(b"X" * 32, Instrument("v", "X", 8, 8))


def test_symbols_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # The table has 64 places, so among these many share one.
    slots = SymbolSlots()
    names = [f"N{k}" for k in range(4_000) if _hash(f"N{k}".encode()) % 64 == 5][:30]
    assert len(names) == 30
    for name in names:
        slots.add(name.encode(), Instrument("v", name, 8, 8))
    for k, name in enumerate(names):
        data = np.frombuffer(name.encode() + b'"' + bytes(PADDING), np.uint8)
        slot, _ = find_symbol(data.ctypes.data, slots.slots.ctypes.data, 63)
        assert slots.slots[(slot - slots.slots.ctypes.data) // 8 + 5] == k


def test_powers_of_ten_and_their_limits() -> None:
    for k, (ten, most) in enumerate(zip(TENS.tolist(), MOST.tolist(), strict=True)):
        assert ten == 10**k
        assert most * 10**k <= 2**63 - 1 < (most + 1) * 10**k
