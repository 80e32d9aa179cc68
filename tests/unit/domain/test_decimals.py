"""Fixed point, worked by hand; tests/property/test_decimals.py holds it against Decimal."""

from decimal import Decimal, localcontext

import pytest

from tickwire.decimals import INT64_MAX, format_fixed, parse_fixed, to_decimal
from tickwire.errors import InexactDecimal


@pytest.mark.parametrize(
    ("text", "scale", "value"),
    [
        ("61685.99000000", 8, 6_168_599_000_000),
        ("0.5", 8, 50_000_000),
        ("7", 8, 700_000_000),
        ("-1.0", 8, -100_000_000),
        ("+1.0", 2, 100),
        ("0", 0, 0),
        ("42", 0, 42),
        ("42.000", 0, 42),
        ("0.00001234", 14, 1_234_000_000),
        ("1.50000000000", 1, 15),
        ("00012.5", 1, 125),
        ("92233720368.54775807", 8, INT64_MAX),
    ],
)
def test_plain_decimal_text_becomes_units(text, scale, value):
    assert parse_fixed(text, scale) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", ".", ".5", "5.", "1e5", "1E-8", " 1", "1 ", "1_000", "1,5", "--1", "+-1", "1.-5"),
        *("NaN", "Infinity", "0x10", "1.2.3", "٣.5", "1.٣", "²", "9" * 41),
    ],
)
def test_what_is_no_plain_decimal_is_refused(text):
    with pytest.raises(InexactDecimal):
        parse_fixed(text, 8)


def test_digits_beyond_the_scale_are_refused_unless_they_are_zeros():
    assert parse_fixed("1.230", 2) == 123
    with pytest.raises(InexactDecimal, match="more than 2 decimal places"):
        parse_fixed("1.231", 2)


def test_a_number_past_int64_is_refused():
    with pytest.raises(InexactDecimal, match="overflows"):
        parse_fixed("92233720368.54775808", 8)


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [(6_168_599_000_000, 8, "61685.99000000"), (-5, 1, "-0.5"), (5, 3, "0.005"), (0, 8, "0.00000000"), (-42, 0, "-42")],
)
def test_units_are_written_with_every_place_of_their_scale(value, scale, text):
    assert format_fixed(value, scale) == text


def test_exact_decimals_ignore_the_precision_of_the_callers_context():
    value = 123_456_789_012_345_678_901_234_567_890_123
    with localcontext() as context:
        context.prec = 5
        assert str(to_decimal(value, 16)) == "12345678901234567.8901234567890123"
    assert to_decimal(-5, 0) == Decimal(-5)
