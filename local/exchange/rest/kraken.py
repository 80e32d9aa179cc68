"""Kraken's REST API: trades by time, OHLC, and errors with HTTP 200.

Sources: Kraken's REST pages (recent trades, OHLC, errors, rate limits).
"""

from collections.abc import Mapping

from local.exchange.candle import SECOND
from local.exchange.candles import all_candles
from local.exchange.rest.limits import Bucket
from local.exchange.rest.venue import Answer, Refusal, RestVenue, fixed, integer, json_answer
from local.exchange.tape import Tape, TapeRow, Tapes
from tickwire.columns import Side

PRICE_PLACES, SIZE_PLACES = 5, 8
_MAX_ROWS, _MAX_CANDLES = 1000, 720
_MICROSECOND = 1_000
_INTERVALS = (1, 5, 15, 30, 60, 240, 1_440)
_OWN_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
_PREFIXED = {"XBT": "XXBT", "ETH": "XETH", "LTC": "XLTC", "XRP": "XXRP", "USD": "ZUSD", "EUR": "ZEUR", "GBP": "ZGBP"}
"""Kraken's first assets bear an X, the currencies that they trade in a Z."""


class KrakenRest(RestVenue):
    """``/0/public/Trades`` and ``/0/public/OHLC``."""

    def __init__(self, venue: str, tapes: Tapes, symbols: Mapping[str, None]) -> None:
        super().__init__(venue, tapes, symbols)
        self._pairs = {name: symbol for symbol in symbols for name in _names(symbol)}
        # One a second and pair is the documented pace; a little more must not be refused for jitter.
        self._requests = Bucket(per_second=1, burst=2)

    def throttle(self, address: str, now: int, *, seconds: float | None = None) -> Answer:
        if seconds is not None:
            return _error(f"EService: Throttled: {-(-(now + round(seconds * SECOND)) // SECOND)}")
        return _error("EGeneral:Too many requests")

    def unavailable(self) -> Answer:
        return _error("EService:Unavailable")

    def _serve(self, path: str, query: Mapping[str, str], address: str, now: int) -> Answer:
        name = path.removeprefix("/0/public/")
        if name not in ("Trades", "OHLC"):
            return _error("EGeneral:Unknown method")
        symbol = self._pairs.get(query.get("pair", ""))
        if symbol is None:
            return _error("EQuery:Unknown asset pair" if query.get("pair") else "EGeneral:Invalid arguments")
        if not self._requests.take((address, symbol), now):
            return self.throttle(address, now)
        tape = self._tape(symbol)
        rows, last = self._trades(tape, query) if name == "Trades" else self._candles(tape, query, now)
        return Answer(f'{{"error":[],"result":{{"{_rest_name(symbol)}":[{rows}],"last":{last}}}}}'.encode())

    def _trades(self, tape: Tape, query: Mapping[str, str]) -> tuple[str, str]:
        since, count = _number(query, "since", 0), _number(query, "count", _MAX_ROWS)
        if not 1 <= count <= _MAX_ROWS:
            raise _invalid()
        if since == 0 and "since" not in query:
            rows = tape.newest(count)[::-1]
        else:
            rows = []
            # The tape's times are whole microseconds, so those of the same one must be looked at.
            for row in tape.between(since // _MICROSECOND * _MICROSECOND, 2**63):
                if _rest_time(row) > since:
                    rows.append(row)
                if len(rows) == count:
                    break
        last = _rest_time(rows[-1]) if rows else since
        return ",".join(_trade(tape, row) for row in rows), f'"{last}"'

    def _candles(self, tape: Tape, query: Mapping[str, str], now: int) -> tuple[str, str]:
        minutes, since = _number(query, "interval", 1), _number(query, "since", 0)
        if minutes not in _INTERVALS:
            raise _invalid()
        step = minutes * 60 * SECOND
        running = now // step * step
        start = max(since * SECOND + 1, running - (_MAX_CANDLES - 1) * step)
        price = tape.price_places
        rows = []
        for one in all_candles(tape, minutes * 60, start=start, end=now + 1):
            average = one.notional // one.volume if one.volume else 0
            prices = (fixed(value, price, price) for value in (one.open, one.high, one.low, one.close, average))
            quoted = ",".join(f'"{text}"' for text in prices)
            rows.append(
                f'[{one.start // SECOND},{quoted},"{fixed(one.volume, tape.size_places, SIZE_PLACES)}",{one.trades}]'
            )
        # The last candle still runs, and `last` is the newest that does not.
        return ",".join(rows), str(running // SECOND - minutes * 60)


def _rest_time(row: TapeRow) -> int:
    """Give the ns that REST states: its times have another digit below the microseconds of the WebSocket's."""
    microseconds = row.time // _MICROSECOND
    return row.time + microseconds * 7 % 10 * 100


def _trade(tape: Tape, row: TapeRow) -> str:
    seconds, rest = divmod(_rest_time(row), SECOND)
    return (
        f'["{_price(row.price, tape.price_places)}","{fixed(row.size, tape.size_places, SIZE_PLACES)}",'
        f'{seconds}.{rest // 100:07d},"{"b" if row.side is Side.BUY else "s"}","{"l" if row.trade_id % 3 else "m"}","",'
        f"{row.trade_id}]"
    )


def _price(price: int, places: int) -> str:
    """Write a price with five places, or with as many as it needs."""
    exact = places <= PRICE_PLACES or price % 10 ** (places - PRICE_PLACES) == 0
    return fixed(price, places, PRICE_PLACES if exact else places)


def _names(symbol: str) -> set[str]:
    base, quote = (_OWN_NAMES.get(asset, asset) for asset in symbol.split("-"))
    return {f"{base}{quote}", f"{base}/{quote}", symbol.replace("-", "/"), symbol.replace("-", ""), _rest_name(symbol)}


def _rest_name(symbol: str) -> str:
    """Give the name that results stand under: ``XXBTZUSD``, but ``SOLUSD``."""
    base, quote = (_OWN_NAMES.get(asset, asset) for asset in symbol.split("-"))
    if base in _PREFIXED and quote in _PREFIXED:
        return _PREFIXED[base] + _PREFIXED[quote]
    return base + quote


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    if name not in query:
        return default
    number = integer(query[name])
    if number is None:
        raise _invalid()
    return number


def _error(text: str) -> Answer:
    return json_answer({"error": [text]})


def _invalid() -> Refusal:
    return Refusal(_error("EGeneral:Invalid arguments"))
