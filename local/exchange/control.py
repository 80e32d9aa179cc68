"""The part of the control API that makes faults and tells the truth, and the doors to the REST histories."""

import asyncio
import json
from typing import Any

from aiohttp import web

from local.exchange.faults.order import FaultRefused, read_orders
from local.exchange.faults.venue import BROKEN
from local.exchange.floor import Floor
from local.exchange.listings import listings
from local.exchange.rest.registry import rest_venues
from local.exchange.source import Source
from tickwire.decimals import format_fixed


class Control:
    """``/control/{faults,truth,tape}``, and the paths of the venues' REST APIs below each feed."""

    def __init__(self, source: Source, floor: Floor) -> None:
        self._source = source
        self._floor = floor
        self._venues = rest_venues(source)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes, which must come before those of the feeds' sockets."""
        roots = "|".join(sorted({listing.rest_root for listing in listings().values()}))
        return [
            web.get("/control/faults", self._list),
            web.post("/control/faults", self._order),
            web.delete("/control/faults", self._end),
            web.get("/control/truth", self._truth),
            web.get("/control/tape", self._tape),
            web.get(f"/{{feed}}/{{path:(?:{roots})/.*}}", self._history),
        ]

    def truth(self) -> dict[str, Any]:
        """Give what was made, kept and announced by symbol, and what each fault did."""
        floor = self._floor
        floor.flush()
        announced = floor.announced.report()
        tapes = self._source.tapes.items()
        symbols = {}
        for key in sorted({*announced, *tapes}):
            tape = tapes.get(key)
            kept = None
            if tape is not None and len(tape):
                kept = {"first": tape[0].trade_id, "last": tape[-1].trade_id, "trades": len(tape)}
            ranges = [] if tape is None else [list(pair) for pair in tape.made.ranges()]
            symbols[key] = {
                "made": {"ranges": ranges, "trades": 0 if tape is None else tape.made.count},
                "kept": kept,
                "announced": announced.get(key, {"ranges": [], "trades": 0}),
            }
        return {
            "time": floor.now(),
            "symbols": symbols,
            "faults": floor.faults.report(),
            "late_frames": floor.faults.late_frames,
        }

    async def _list(self, request: web.Request) -> web.Response:
        return web.json_response({"faults": self._floor.faults.report()})

    async def _order(self, request: web.Request) -> web.Response:
        try:
            faults = self._floor.faults.order(read_orders(await request.read()))
        except FaultRefused as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"faults": [fault.report() for fault in faults]})

    async def _end(self, request: web.Request) -> web.Response:
        self._floor.faults.end_all()
        return await self._list(request)

    async def _truth(self, request: web.Request) -> web.Response:
        # Many symbols and ranges take a while to write, which must not delay a frame.
        truth = self.truth()
        return web.json_response(text=await asyncio.to_thread(json.dumps, truth))

    async def _tape(self, request: web.Request) -> web.Response:
        """Give the trades kept of ``?symbol=venue:SYMBOL`` as CSV: id, price, size, aggressor's side, ns UTC."""
        key = request.query.get("symbol", "")
        self._floor.flush()
        tape = self._source.tapes.items().get(key)
        if tape is None:
            raise web.HTTPNotFound(text=f"no symbol {key}")
        places = tape.price_places, tape.size_places
        lines = [
            f"{row.trade_id},{format_fixed(row.price, places[0])},{format_fixed(row.size, places[1])},"
            f"{row.side.name.lower()},{row.time}\n"
            for row in tape.from_id(0, len(tape))
        ]
        return web.Response(text="".join(["trade_id,price,size,side,time\n", *lines]), content_type="text/csv")

    async def _history(self, request: web.Request) -> web.StreamResponse:
        feed = request.match_info["feed"]
        protocol = self._floor.protocols.get(feed)
        if protocol is None:
            raise web.HTTPNotFound(text=f"no feed {feed}; there are {', '.join(self._floor.protocols)}")
        rest = self._venues[protocol.venue]
        address = request.remote or ""
        answer = self._floor.faults.rest_answer(rest, address)
        if answer is None:
            path = "/" + request.match_info["path"]
            answer = rest.answer(path, request.query, address=address, now=self._floor.now())
        if answer is BROKEN and request.transport is not None:
            request.transport.abort()
            return web.Response(status=500)
        return web.Response(
            body=answer.body, status=answer.status, headers=dict(answer.headers), content_type="application/json"
        )
