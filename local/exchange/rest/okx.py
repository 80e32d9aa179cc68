"""OKX's REST API: trades newest first by id, candles, and errors with codes, often with HTTP 200.

Source: OKX's API guide v5 ("GET / Trades history", "GET / Candlesticks history", "Error Code").
"""

from collections.abc import Mapping

from local.exchange.candle import SECOND, Candle
from local.exchange.candles import all_candles
from local.exchange.rest.limits import WindowCount
from local.exchange.rest.venue import Answer, Refusal, RestVenue, integer, json_answer
from local.exchange.tape import Tape, TapeRow, Tapes
from local.exchange.texts import plain

_ROOT = "/api/v5/market/"
_MAX_TRADES, _DEFAULT_CANDLES, _MAX_CANDLES = 100, 100, 300
_MILLISECOND = 1_000_000
_BARS = {"1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1_800, "1H": 3_600, "2H": 7_200, "4H": 14_400} | {
    "6Hutc": 21_600,
    "12Hutc": 43_200,
    "1Dutc": 86_400,
}


class OkxRest(RestVenue):
    """``/api/v5/market/history-trades`` and ``/api/v5/market/history-candles``."""

    def __init__(self, venue: str, tapes: Tapes, symbols: Mapping[str, None]) -> None:
        super().__init__(venue, tapes, symbols)
        self._requests = WindowCount(20, 2 * SECOND)

    def throttle(self, address: str, now: int, *, seconds: float | None = None) -> Answer:
        # OKX does not say how long.
        return _error("50011", "Too Many Requests", 429)

    def unavailable(self) -> Answer:
        return _error("50001", "Service temporarily unavailable. Please try again later.", 503)

    def _serve(self, path: str, query: Mapping[str, str], address: str, now: int) -> Answer:
        name = path.removeprefix(_ROOT)
        if name not in ("history-trades", "history-candles"):
            return _error("50404", "Not Found", 404)
        if not self._requests.take((address, name), now):
            return self.throttle(address, now)
        symbol = query.get("instId", "")
        if not symbol:
            return _error("50014", "Parameter instId can not be empty.", 400)
        if symbol not in self._symbols:
            return _error("51001", "Instrument ID or Spread ID doesn't exist.")
        tape = self._tape(symbol)
        rows = self._trades(tape, symbol, query) if name == "history-trades" else self._candles(tape, query, now)
        return Answer(f'{{"code":"0","msg":"","data":[{rows}]}}'.encode())

    def _trades(self, tape: Tape, symbol: str, query: Mapping[str, str]) -> str:
        if query.get("type", "1") != "1":
            raise _wrong("type")
        below, above = _number(query, "after"), _number(query, "before")
        limit = _limit(query, _MAX_TRADES, _MAX_TRADES)
        return ",".join(_trade(tape, symbol, row) for row in tape.newest(limit, below=below, above=above))

    def _candles(self, tape: Tape, query: Mapping[str, str], now: int) -> str:
        seconds = _BARS.get(query.get("bar", "1m"))
        if seconds is None:
            raise _wrong("bar")
        step = seconds * SECOND
        limit = _limit(query, _DEFAULT_CANDLES, _MAX_CANDLES)
        after, before = _number(query, "after"), _number(query, "before")
        until = now + 1 if after is None else min(after * _MILLISECOND, now + 1)
        since = until - limit * step
        if before is not None:
            since = max(since, before * _MILLISECOND + 1)
        found = list(all_candles(tape, seconds, start=since, end=until))[-limit:]
        return ",".join(_candle(tape, one, closed=one.start + step <= now) for one in reversed(found))


def _trade(tape: Tape, symbol: str, row: TapeRow) -> str:
    return (
        f'{{"instId":"{symbol}","side":"{row.side.name.lower()}","sz":"{plain(row.size, tape.size_places)}",'
        f'"source":"0","px":"{plain(row.price, tape.price_places)}","tradeId":"{row.trade_id}",'
        f'"ts":"{row.time // _MILLISECOND}"}}'
    )


def _candle(tape: Tape, one: Candle, *, closed: bool) -> str:
    prices = (plain(value, tape.price_places) for value in (one.open, one.high, one.low, one.close))
    notional = plain(one.notional, tape.price_places + tape.size_places)
    texts = (str(one.start // _MILLISECOND), *prices, plain(one.volume, tape.size_places), notional, notional)
    return f"[{','.join(_quoted(text) for text in (*texts, str(int(closed))))}]"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _number(query: Mapping[str, str], name: str) -> int | None:
    number = integer(query.get(name))
    if name in query and number is None:
        raise _wrong(name)
    return number


def _limit(query: Mapping[str, str], default: int, most: int) -> int:
    limit = _number(query, "limit")
    if limit == 0:
        raise _wrong("limit")
    return default if limit is None else min(limit, most)


def _error(code: str, text: str, status: int = 200) -> Answer:
    return json_answer({"code": code, "msg": text, "data": []}, status)


def _wrong(name: str) -> Refusal:
    return Refusal(_error("51000", f"Parameter {name} error", 400))
