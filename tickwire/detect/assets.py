"""What a symbol's two assets are, where several symbols are looked at together."""

DOLLARS = frozenset("USD USDT USDC FDUSD TUSD USDP PYUSD DAI BUSD USDE".split())
"""The dollar, and what is kept at one."""
_MONEY = DOLLARS | frozenset("EUR GBP JPY KRW TRY BRL AUD CAD CHF EURC EURI".split())


def base_and_quote(symbol: str) -> tuple[str, str]:
    """Cut a canonical symbol (``BTC-USD``) in two."""
    base, _, quote = symbol.partition("-")
    return base, quote


def in_dollars(symbol: str) -> bool:
    """Say whether a symbol's notionals are dollars, or within a percent of them."""
    return base_and_quote(symbol)[1] in DOLLARS


def prices_an_asset(symbol: str) -> bool:
    """Say whether a symbol is the price of a coin in money: neither one coin in another, nor money in money."""
    base, quote = base_and_quote(symbol)
    return quote in _MONEY and base not in _MONEY
