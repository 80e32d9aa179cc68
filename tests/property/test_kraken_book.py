"""Kraken's book against a plain model of one: a dict of Decimals, sorted anew for every checksum."""

from decimal import Decimal
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from tickwire.venues.feed import ParsedFrames
from tickwire.venues.kraken.feed import KrakenFeed

DEPTH = 10

prices = st.integers(1, 60).map(lambda ticks: Decimal(ticks).scaleb(-1))
quantities = st.integers(0, 3).map(lambda lots: Decimal(lots).scaleb(-8))
changes = st.lists(st.tuples(st.sampled_from(["bids", "asks"]), prices, quantities), max_size=6)


class ModelBook:
    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, Decimal]] = {"bids": {}, "asks": {}}

    def frame(self, kind: str, levels: list[tuple[str, Decimal, Decimal]]) -> bytes:
        """Apply the levels and give the message that Kraken would send for them."""
        for side, price, quantity in levels:
            self.sides[side][price] = quantity
        for side in ("bids", "asks"):
            kept = {price: quantity for price, quantity in self.sides[side].items() if quantity}
            best = sorted(kept, reverse=side == "bids")[:DEPTH]
            self.sides[side] = {price: kept[price] for price in best}
        text = "".join(
            f"{number:f}".replace(".", "").lstrip("0")
            for side in ("asks", "bids")
            for level in self.sides[side].items()
            for number in level
        )
        rows = {
            name: ",".join(f'{{"price":{price:f},"qty":{qty:f}}}' for side, price, qty in levels if side == name)
            for name in ("bids", "asks")
        }
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":[{rows["bids"]}],'
            f'"asks":[{rows["asks"]}],"checksum":{crc32(text.encode())},"timestamp":"2026-07-07T23:00:03.947173Z"}}]}}'
        ).encode()


@given(
    snapshot=changes.map(lambda levels: [level for level in levels if level[2]]), updates=st.lists(changes, max_size=30)
)
def test_every_checksum_of_a_true_book_holds(
    snapshot: list[tuple[str, Decimal, Decimal]], updates: list[list[tuple[str, Decimal, Decimal]]]
) -> None:
    model = ModelBook()
    feed = KrakenFeed()
    out = ParsedFrames()
    feed.parse(model.frame("snapshot", snapshot), 1, out)
    for update in updates:
        feed.parse(model.frame("update", update), 1, out)
    assert out.checksum_failures == 0
    assert out.rejects == []
    assert out.ignored == {"book": 1 + len(updates)}


@given(updates=st.lists(changes, min_size=2, max_size=20), data=st.data())
def test_a_lost_update_that_leaves_another_book_fails_the_next_checksum(
    updates: list[list[tuple[str, Decimal, Decimal]]], data: st.DataObject
) -> None:
    model = ModelBook()
    lost = data.draw(st.integers(0, len(updates) - 2))
    feed = KrakenFeed()
    out = ParsedFrames()
    feed.parse(model.frame("snapshot", []), 1, out)
    before: dict[str, dict[Decimal, Decimal]] = {}
    for number, update in enumerate(updates[: lost + 1]):
        before = {side: dict(levels) for side, levels in model.sides.items()}
        frame = model.frame("update", update)
        if number != lost:
            feed.parse(frame, 1, out)
    changed = before != model.sides
    feed.parse(model.frame("update", []), 1, out)
    assert out.checksum_failures == (1 if changed else 0)
