"""Whales of one asset and side that surface on several venues at almost the same time."""

from collections.abc import Iterable, Iterator, Sequence

from tickwire.conclusions import Whale
from tickwire.detect.assets import base_and_quote, in_dollars

WITHIN = 2_000_000_000
"""ns from the end of a whale to the beginning of the next one."""


def clusters(whales: Iterable[Whale], *, before: int) -> Iterator[tuple[Whale, tuple[Whale, ...]]]:
    """Give each cluster that was over ``before`` (ns UTC), and the whales that it is made of.

    Whales belong together by base asset and side, and if they are counted in the same money: dollars and what is kept
    at a dollar are one, so that a sum of notionals is right to within a percent. Each whale lies no more than 2 s after
    those before it, and at least two venues take part. The threshold is the sum of theirs, which each has passed on
    its own.
    """
    groups: dict[tuple[str, str, int], list[Whale]] = {}
    for whale in whales:
        base, quote = base_and_quote(whale.symbol)
        groups.setdefault((base, "USD" if in_dollars(whale.symbol) else quote, whale.side), []).append(whale)
    for (base, money, _), members in sorted(groups.items()):
        for chain in _chains(sorted(members, key=lambda one: (one.started, one.ended, one.venues, one.first_id))):
            venues = {venue for one in chain for venue in one.venues}
            if len(venues) > 1 and max(one.ended for one in chain) + WITHIN < before:
                yield _joined(chain, tuple(sorted(venues)), f"{base}-{money}"), tuple(chain)


def _chains(whales: Sequence[Whale]) -> Iterator[list[Whale]]:
    chain: list[Whale] = []
    for whale in whales:
        if chain and whale.started > max(one.ended for one in chain) + WITHIN:
            yield chain
            chain = []
        chain.append(whale)
    if chain:
        yield chain


def _joined(chain: Sequence[Whale], venues: tuple[str, ...], symbol: str) -> Whale:
    notional = sum(one.notional for one in chain)
    return Whale(
        venues=venues,
        symbol=symbol,
        side=chain[0].side,
        started=chain[0].started,
        ended=max(one.ended for one in chain),
        trades=sum(one.trades for one in chain),
        notional=notional,
        # The volumes' sum, each being notional / price.
        price=notional / sum(one.notional / one.price for one in chain),
        threshold=sum(one.threshold for one in chain),
    )
