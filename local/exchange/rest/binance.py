"""Binance's REST API: historicalTrades by rising id, klines, and the weight of each minute.

Sources: Binance's REST pages for spot (old trade lookup, klines, limits, errors).
"""

from collections.abc import Mapping

from local.exchange.candle import Candle
from local.exchange.candles import all_candles
from local.exchange.rest.limits import SECOND, MinuteWeight
from local.exchange.rest.venue import Answer, Refusal, RestVenue, fixed, integer, json_answer
from local.exchange.tape import Tape, TapeRow, Tapes
from tickwire.columns import Side

PLACES = 8
_MILLISECOND = 1_000_000
_DEFAULT_ROWS, _MAX_ROWS = 500, 1000
_WEIGHTS = {"historicalTrades": 25, "klines": 2}
_LIMITS = {"binance": 6_000, "binance-us": 1_200}
_INTERVALS = {
    f"{count}{unit}": count * seconds
    for unit, seconds, counts in (
        ("s", 1, (1,)),
        ("m", 60, (1, 3, 5, 15, 30)),
        ("h", 3_600, (1, 2, 4, 6, 8, 12)),
        ("d", 86_400, (1,)),
    )
    for count in counts
}


class BinanceRest(RestVenue):
    """``/api/v3/historicalTrades`` and ``/api/v3/klines`` of Binance or Binance US."""

    def __init__(self, venue: str, tapes: Tapes, symbols: Mapping[str, None]) -> None:
        super().__init__(venue, tapes, symbols)
        self._by_native = {symbol.replace("-", ""): symbol for symbol in symbols}
        self._weights = MinuteWeight(_LIMITS[venue])

    def throttle(self, address: str, now: int, *, seconds: float | None = None) -> Answer:
        status = self._weights.refusal(address, now)
        if status is None:
            self._weights.block(address, now + round((60.0 if seconds is None else seconds) * SECOND))
            status = 429
        return self._too_much(status, address, now)

    def unavailable(self) -> Answer:
        return _error(503, -1000, "An unknown error occurred while processing the request.")

    def _serve(self, path: str, query: Mapping[str, str], address: str, now: int) -> Answer:
        name = path.removeprefix("/api/v3/")
        if name not in _WEIGHTS:
            return Answer(b"<html><body><h2>404 Not found</h2></body></html>", 404)
        refused = self._weights.charge(address, _WEIGHTS[name], now)
        if refused is not None:
            return self._too_much(refused, address, now)
        tape = self._tape(self._symbol(query))
        rows = self._trades(tape, query) if name == "historicalTrades" else self._klines(tape, query, now)
        return Answer(f"[{rows}]".encode(), headers=self._used(address, now))

    def _symbol(self, query: Mapping[str, str]) -> str:
        native = query.get("symbol", "")
        if not native:
            raise _missing("symbol")
        if native not in self._by_native:
            raise Refusal(_error(400, -1121, "Invalid symbol."))
        return self._by_native[native]

    def _trades(self, tape: Tape, query: Mapping[str, str]) -> str:
        limit = _limit(query)
        if "fromId" not in query:
            rows = tape.newest(limit)[::-1]
        else:
            first = integer(query["fromId"])
            if first is None:
                raise _illegal("fromId")
            rows = tape.from_id(first, limit)
        return ",".join(_trade(tape, row) for row in rows)

    def _klines(self, tape: Tape, query: Mapping[str, str], now: int) -> str:
        limit = _limit(query)
        if "interval" not in query:
            raise _missing("interval")
        seconds = _INTERVALS.get(query["interval"])
        if seconds is None:
            raise Refusal(_error(400, -1120, "Invalid interval."))
        step = seconds * SECOND
        start, end = integer(query.get("startTime")), integer(query.get("endTime"))
        until = now + 1 if end is None else min((end + 1) * _MILLISECOND, now + 1)
        since = until - limit * step if start is None else start * _MILLISECOND
        candles = list(all_candles(tape, seconds, start=since, end=min(until, since + (limit + 1) * step)))
        rows = candles[-limit:] if start is None else candles[:limit]
        return ",".join(_kline(tape, one, step) for one in rows)

    def _used(self, address: str, now: int) -> dict[str, str]:
        used = str(self._weights.used(address, now))
        return {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}

    def _too_much(self, status: int, address: str, now: int) -> Answer:
        wait = self._weights.wait(address, now)
        if status == 418:
            until = now // _MILLISECOND + 1_000 * wait
            text = f"Way too much request weight used; IP banned until {until}."
        else:
            text = f"Too much request weight used; current limit is {self._weights.limit} request weight per 1 MINUTE."
        text += " Please use WebSocket Streams for live updates to avoid bans."
        headers = {**self._used(address, now), "Retry-After": str(wait)}
        return json_answer({"code": -1003, "msg": text}, status, headers)


def _trade(tape: Tape, row: TapeRow) -> str:
    price, size = tape.price_places, tape.size_places
    return (
        f'{{"id":{row.trade_id},"price":"{fixed(row.price, price, PLACES)}","qty":"{fixed(row.size, size, PLACES)}",'
        f'"quoteQty":"{fixed(row.price * row.size, price + size, PLACES)}","time":{row.time // _MILLISECOND},'
        f'"isBuyerMaker":{"true" if row.side is Side.SELL else "false"},"isBestMatch":true}}'
    )


def _kline(tape: Tape, one: Candle, step: int) -> str:
    price, size = tape.price_places, tape.size_places
    prices = (one.open, one.high, one.low, one.close)
    texts = [*(fixed(value, price, PLACES) for value in prices), fixed(one.volume, size, PLACES)]
    return (
        f"[{one.start // _MILLISECOND},{','.join(_quoted(text) for text in texts)},"
        f'{(one.start + step) // _MILLISECOND - 1},"{fixed(one.notional, price + size, PLACES)}",{one.trades},'
        f'"{fixed(one.buy_volume, size, PLACES)}","{fixed(one.buy_notional, price + size, PLACES)}","0"]'
    )


def _quoted(text: str) -> str:
    return f'"{text}"'


def _limit(query: Mapping[str, str]) -> int:
    if "limit" not in query:
        return _DEFAULT_ROWS
    limit = integer(query["limit"])
    if limit is None:
        raise _illegal("limit")
    if not 1 <= limit <= _MAX_ROWS:
        raise Refusal(_error(400, -1130, "Data sent for parameter 'limit' is not valid."))
    return limit


def _error(status: int, code: int, text: str) -> Answer:
    return json_answer({"code": code, "msg": text}, status)


def _missing(name: str) -> Refusal:
    return Refusal(_error(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."))


def _illegal(name: str) -> Refusal:
    return Refusal(_error(400, -1100, f"Illegal characters found in parameter '{name}'."))
