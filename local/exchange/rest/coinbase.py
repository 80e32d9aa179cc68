"""Coinbase Exchange's REST API: trades newest first with the maker's side, and candles.

Sources: Coinbase's Exchange REST pages (product trades, product candles, pagination, rate limits).
"""

from collections.abc import Mapping

from local.exchange.candle import SECOND
from local.exchange.candles import traded_candles
from local.exchange.rest.limits import Bucket
from local.exchange.rest.venue import Answer, Refusal, RestVenue, fixed, integer, json_answer
from local.exchange.tape import Tape, TapeRow, Tapes
from local.exchange.texts import plain, rfc3339
from local.exchange.venues.coinbase import maker_side
from tickwire.errors import UnreadableTime
from tickwire.timestamps import parse_rfc3339

PLACES = 8
_MAX_ROWS, _MAX_CANDLES = 1000, 300
_GRANULARITIES = (60, 300, 900, 3_600, 21_600, 86_400)


class CoinbaseRest(RestVenue):
    """``/products/<id>/trades`` and ``/products/<id>/candles``."""

    def __init__(self, venue: str, tapes: Tapes, symbols: Mapping[str, None]) -> None:
        super().__init__(venue, tapes, symbols)
        self._requests = Bucket(per_second=10, burst=15)

    def throttle(self, address: str, now: int, *, seconds: float | None = None) -> Answer:
        headers = {} if seconds is None else {"Retry-After": str(-(-seconds // 1)).partition(".")[0]}
        return _error(429, "Public rate limit exceeded", headers)

    def unavailable(self) -> Answer:
        return _error(503, "Service Unavailable")

    def _serve(self, path: str, query: Mapping[str, str], address: str, now: int) -> Answer:
        if not self._requests.take(address, now):
            return self.throttle(address, now)
        parts = path.strip("/").split("/")
        if len(parts) != 3 or parts[0] != "products" or parts[1] not in self._symbols:
            return _error(404, "NotFound")
        tape = self._tape(parts[1])
        if parts[2] == "trades":
            return self._trades(tape, query)
        if parts[2] == "candles":
            return self._candles(tape, query, now)
        return _error(404, "NotFound")

    def _trades(self, tape: Tape, query: Mapping[str, str]) -> Answer:
        numbers = {name: integer(query.get(name)) for name in ("limit", "before", "after")}
        for name, number in numbers.items():
            if name in query and number is None:
                return _error(400, f"Invalid {name}")
        limit = _MAX_ROWS if numbers["limit"] is None else numbers["limit"]
        if not 1 <= limit <= _MAX_ROWS:
            return _error(400, "Invalid limit")
        # `before` asks for newer trades, and gets the newest of them, not those next to it.
        rows = tape.newest(limit, below=numbers["after"], above=numbers["before"])
        headers = {"CB-BEFORE": str(rows[0].trade_id), "CB-AFTER": str(rows[-1].trade_id)} if rows else {}
        return Answer(f"[{','.join(_trade(tape, row) for row in rows)}]".encode(), headers=headers)

    def _candles(self, tape: Tape, query: Mapping[str, str], now: int) -> Answer:
        seconds = integer(query.get("granularity", "60"))
        if seconds not in _GRANULARITIES:
            return _error(400, "Unsupported granularity")
        step = seconds * SECOND
        start, last = _moment(query.get("start")), _moment(query.get("end"))
        if start is None or last is None:
            last = now // step * step
            start = last - (_MAX_CANDLES - 1) * step
        if (last - start) // step + 1 > _MAX_CANDLES:
            return _error(
                400,
                "granularity too small for the requested time range. Count of aggregations requested exceeds 300",
            )
        price = tape.price_places
        rows = [
            f"[{one.start // SECOND},{plain(one.low, price)},{plain(one.high, price)},{plain(one.open, price)},"
            f"{plain(one.close, price)},{plain(one.volume, tape.size_places)}]"
            for one in reversed(traded_candles(tape, seconds, start=start, end=last + 1))
        ]
        return Answer(f"[{','.join(rows)}]".encode())


def _trade(tape: Tape, row: TapeRow) -> str:
    return (
        f'{{"trade_id":{row.trade_id},"side":"{maker_side(row.side)}",'
        f'"size":"{fixed(row.size, tape.size_places, PLACES)}","price":"{fixed(row.price, tape.price_places, PLACES)}",'
        f'"time":"{rfc3339(row.time)}"}}'
    )


def _moment(text: str | None) -> int | None:
    """Read a time, RFC 3339 or Unix seconds."""
    if text is None:
        return None
    seconds = integer(text)
    if seconds is not None:
        return seconds * SECOND
    try:
        return parse_rfc3339(text)
    except UnreadableTime:
        raise Refusal(_error(400, "invalid time range")) from None


def _error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    return json_answer({"message": text}, status, headers)
