"""A venue's REST history and its rate limit, made from what ``frames/<feed>.jsonl`` says of them."""

import datetime
from collections import deque
from collections.abc import Collection

from tests.unit.venues.conformance import START, time_of
from tests.unit.venues.conformance_file import HistoryFacts, Rate
from tickwire.venues.history import HistoryReply, HistoryRequest


class HistoryServer:
    """Answers requests for trades from a set of ids, as the facts of a venue say.

    ``deaf`` ignores the cursor, as a venue does that no longer knows the parameter; ``broken``
    maps ids to what stands in the page in place of their rows.
    """

    def __init__(
        self, facts: HistoryFacts, ids: Collection[int], *, deaf: bool = False, broken: dict[int, str] | None = None
    ) -> None:
        self._facts = facts
        self._ids = sorted(ids)
        self._deaf = deaf
        self._broken = broken or {}
        self.asked = 0

    def answer(self, request: HistoryRequest) -> HistoryReply:
        """Give the page that a request asks for."""
        facts = self._facts
        self.asked += 1
        query = dict(request.query)
        named = facts.symbol in query.values() or f"/{facts.symbol}/" in request.path
        assert named, f"{request.target} does not ask for {facts.symbol}"
        limit = int(query.get(facts.limit.name, facts.limit.most))
        assert 1 <= limit <= facts.limit.most, f"{request.target} asks for more than the venue gives"
        ids = self._matching(query)
        # Without a cursor a venue gives its newest trades.
        oldest_first = facts.rising and (self._deaf or facts.cursor.name in query)
        page = ids[:limit] if oldest_first else ids[-limit:]
        page = sorted(page, reverse=not facts.rising)
        rows = ",".join(self._broken.get(one, self.row(one)) for one in page)
        last = time_of(page[-1]) if page else int(query.get(facts.cursor.name, START))
        return HistoryReply(200, facts.page.replace("{rows}", rows).replace("{last}", str(last)).encode())

    def row(self, trade_id: int) -> str:
        """Give the row of a trade."""
        time = time_of(trade_id)
        second = datetime.datetime.fromtimestamp(time // 10**9, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
        texts = {
            "{id}": str(trade_id),
            "{ms}": str(time // 10**6),
            "{seconds}": f"{time // 10**9}.{time % 10**9 // 100:07d}",
            "{rfc3339}": f"{second}.{time % 10**9 // 1000:06d}Z",
        }
        row = self._facts.row
        for name, text in texts.items():
            row = row.replace(name, text)
        return row

    def _matching(self, query: dict[str, str]) -> list[int]:
        cursor = self._facts.cursor
        if self._deaf or cursor.name not in query:
            return self._ids
        bound = int(query[cursor.name])
        match cursor.rule:
            case "id>=":
                return [one for one in self._ids if one >= bound]
            case "id<":
                return [one for one in self._ids if one < bound]
            case "ns>":
                return [one for one in self._ids if time_of(one) > bound]
        raise AssertionError(f"unknown rule {cursor.rule}")


def refused(rate: Rate, moments: list[float], weight: int) -> list[float]:
    """Give the moments (s, rising) at which a venue with this limit would refuse a request of ``weight``."""
    bad = []
    if rate.seconds:
        spent: deque[float] = deque()
        for moment in moments:
            while spent and spent[0] <= moment - rate.seconds:
                spent.popleft()
            spent.append(moment)
            if len(spent) * weight > rate.weight:
                bad.append(moment)
        return bad
    left, before = float(rate.burst), 0.0
    for moment in moments:
        left = min(rate.burst, left + (moment - before) * rate.per_second)
        before = moment
        left -= weight
        if left < -1e-6:
            bad.append(moment)
    return bad
