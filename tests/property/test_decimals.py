"""Fixed point against the standard library's Decimal."""

from decimal import Context, Decimal, InvalidOperation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickwire.decimals import INT64_MAX, MAX_DIGITS, format_fixed, parse_fixed, to_decimal
from tickwire.errors import InexactDecimal

_WIDE = Context(prec=200)
_SCALES = st.integers(0, 18)


@given(st.integers(-INT64_MAX, INT64_MAX), _SCALES)
def test_writing_and_reading_gives_the_same_units(value, scale):
    text = format_fixed(value, scale)
    assert parse_fixed(text, scale) == value
    assert Decimal(text) == to_decimal(value, scale) == _WIDE.scaleb(Decimal(value), -scale)
    assert -Decimal(text).as_tuple().exponent == scale


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9), _SCALES)
def test_reading_agrees_with_decimal_or_refuses(number, scale):
    text = f"{number:f}"
    units = _WIDE.scaleb(number, scale)
    exact = units == units.to_integral_value() and abs(units) <= INT64_MAX and len(text) <= MAX_DIGITS
    if exact:
        assert parse_fixed(text, scale) == int(units)
    else:
        with pytest.raises(InexactDecimal):
            parse_fixed(text, scale)


@given(st.text(st.sampled_from("0123456789.+-eE_ ,x٣"), max_size=12), _SCALES)
def test_any_text_is_read_as_decimal_reads_it_or_refused(text, scale):
    try:
        units = parse_fixed(text, scale)
    except InexactDecimal:
        return
    try:
        expected = _WIDE.scaleb(Decimal(text), scale)
    except InvalidOperation:
        pytest.fail(f"{text!r} is no decimal but gave {units}")
    assert units == expected
