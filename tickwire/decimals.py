"""Decimal text to int64 fixed point and back, digit for digit, never through a float."""

from decimal import Decimal

from tickwire.errors import InexactDecimal

INT64_MAX = 2**63 - 1
MAX_DIGITS = 40
"""Longer texts are refused before any arithmetic: no exchange sends them, an attacker might."""


def parse_fixed(text: str, scale: int) -> int:
    """Turn plain decimal text into an integer of units of ``10**-scale``.

    Accepts an optional sign, digits, and an optional fraction (``"61685.99000000"``, ``"0.5"``,
    ``"7"``, ``"-1.0"``). Exponents, white space, signs inside and bare points are refused.
    Digits beyond the scale are accepted only if they are zeros.

    Raises
    ------
    InexactDecimal
        If the text is not a plain decimal, or does not fit int64 at this scale.
    """
    digits = text[1:] if text[:1] in ("-", "+") else text
    whole, point, fraction = digits.partition(".")
    if (
        len(text) > MAX_DIGITS
        or not whole.isascii()
        or not whole.isdigit()
        or (point and not (fraction.isascii() and fraction.isdigit()))
    ):
        raise InexactDecimal(f"not a plain decimal: {text[:MAX_DIGITS]!r}")
    if len(fraction) > scale:
        if fraction[scale:].strip("0"):
            raise InexactDecimal(f"{text!r} has more than {scale} decimal places")
        fraction = fraction[:scale]
    value = int((whole + fraction).ljust(len(whole) + scale, "0"))
    if value > INT64_MAX:
        raise InexactDecimal(f"{text!r} overflows int64 at scale {scale}")
    return -value if text[:1] == "-" else value


def format_fixed(value: int, scale: int) -> str:
    """Write an integer of units of ``10**-scale`` as decimal text with exactly ``scale`` places."""
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(scale + 1, "0")
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"


def to_decimal(value: int, scale: int) -> Decimal:
    """Give the exact ``Decimal`` of an integer of units of ``10**-scale``, however many its digits."""
    # By text: arithmetic, scaleb included, would round to the precision of the caller's context.
    return Decimal(f"{value}e-{scale}")
