"""Faults of the frames between the market and the sockets."""

from abc import ABC, abstractmethod
from dataclasses import replace

from local.exchange.faults.fault import SECOND, Fault
from local.exchange.venues.protocol import EVERYONE, Outgoing


class WireFault(Fault, ABC):
    """Stands between the market and the sockets of a feed."""

    holds = False
    """Whether it keeps frames from the sockets, also those that another fault let come late."""

    def take(self, feed: str, outgoing: Outgoing, now: int) -> list[Outgoing]:
        """Give what becomes of a frame of this feed: nothing, itself, or more."""
        if not self.is_active or not self.is_meant(outgoing) or not self.by_chance():
            return [outgoing]
        return self.hit(feed, outgoing, now)

    def is_meant(self, outgoing: Outgoing) -> bool:
        """Tell whether it acts on such a frame: one with trades of its symbol."""
        return bool(outgoing.trades) and self.concerns(symbol for symbol, _, _ in outgoing.trades)

    @abstractmethod
    def hit(self, feed: str, outgoing: Outgoing, now: int) -> list[Outgoing]:
        """Act on a frame."""

    def drop(self, feed: str, outgoing: Outgoing) -> list[Outgoing]:
        """Keep a frame from every socket."""
        self.note_frame(feed, outgoing)
        # A replay would play it again to whoever comes next.
        outgoing.written = True
        return []

    def draw_delay(self, now: int) -> int:
        """Draw when a late frame is due (ns UTC)."""
        return now + round(self.random.random() * self.order.delay * SECOND)


class Duplicate(WireFault):
    """Sends frames with trades a second time, up to ``delay`` seconds later. ``count`` counts frames."""

    def hit(self, feed: str, outgoing: Outgoing, now: int) -> list[Outgoing]:
        self.note_frame(feed, outgoing)
        self.floor.faults.delay(feed, replace(outgoing, holders=0, written=False), self.draw_delay(now))
        return [outgoing]


class Reorder(WireFault):
    """Sends frames with trades up to ``delay`` seconds late, so that later ones overtake them. ``count``: frames."""

    def hit(self, feed: str, outgoing: Outgoing, now: int) -> list[Outgoing]:
        self.note_frame(feed, outgoing)
        self.floor.faults.delay(feed, outgoing, self.draw_delay(now))
        return []


class Hole(WireFault):
    """Does not send frames with trades. ``count`` counts trades; the last frame may hold some more.

    The trades are in the REST history and in what a venue shows to new subscribers, and
    Coinbase's heartbeats name them.
    """

    holds = True

    def hit(self, feed: str, outgoing: Outgoing, now: int) -> list[Outgoing]:
        return self.drop(feed, outgoing)

    def used_up(self) -> bool:
        return self.order.count is not None and sum(ids.count for ids in self.ids.values()) >= self.order.count


class SilentStream(WireFault):
    """Sends nothing of one symbol, neither trades nor quotes, while the socket and its siblings live."""

    holds = True

    def is_meant(self, outgoing: Outgoing) -> bool:
        wanted = _letters(self.order.symbol or "")
        return any(_letters(_product(topic)) == wanted for topic in outgoing.topics)

    def hit(self, feed: str, outgoing: Outgoing, now: int) -> list[Outgoing]:
        return self.drop(feed, outgoing)


class Garbage(WireFault):
    """Sends frames that are no message, beside or in the place of frames with trades. ``count``: frames."""

    def hit(self, feed: str, outgoing: Outgoing, now: int) -> list[Outgoing]:
        forms = (
            outgoing.body[: len(outgoing.body) // 2],
            b"<html><body><h1>502 Bad Gateway</h1></body></html>",
            b'{"unexpected":{"deep":[1,2,{"x":null}]}}',
            b"\x00\x01\x02",
            b"[1,2",
            b"null",
        )
        damaged = Outgoing(self.random.choice(forms), (EVERYONE,), recorded=True)
        if self.order.replace:
            return [damaged, *self.drop(feed, outgoing)]
        self.hits += 1
        return [damaged, outgoing]


def _product(topic: str) -> str:
    """Give the product of a topic: of ``btcusdt@trade#us``, of ``ticker.bbo:BTC/USD``."""
    return topic.partition("@")[0] if "@" in topic else topic.rpartition(":")[2]


def _letters(product: str) -> str:
    return "".join(letter for letter in product.lower() if letter.isalnum())
