"""Pacing against API Gateway's quota, in a simulation of all broadcasters together."""

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambdas.broadcaster.pacing import MAX_INTERVAL, MEAN_SHARE, MIN_INTERVAL, Pacing

QUOTA = 10_000
"""Posts a second and account: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html."""
BATCH_SECONDS = 0.05
"""Between two invocations of a process that is not busy."""


@dataclass
class Shard:
    """One process with the keys of its shard; each invocation brings news of all of them."""

    pacing: Pacing
    clients: set[int]
    free_at: float = 0.0
    pending_since: float | None = None
    waits: list[tuple[float, float]] = field(default_factory=list)
    posted: list[float] = field(default_factory=list)

    def invoke(self, now: float) -> None:
        """Take news, and flush what is pending if it is time."""
        if self.pending_since is None:
            self.pending_since = now
        if not self.pacing.due(now, len(self.clients)):
            return
        moment = now
        for _ in self.clients:
            moment += self.pacing.turn(moment)
            self.posted.append(moment)
        # The client served last has waited longest, whoever it was.
        allowed = self.pacing.interval(len(self.clients)) + self.pacing.spread(len(self.clients))
        self.waits.append((moment - self.pending_since, allowed))
        self.pending_since = None
        self.free_at = moment


def simulate(
    clients: int, shards: int, *, topics: str, seconds: float, churn: float, seed: int
) -> tuple[list[Shard], np.ndarray]:
    """Run the processes side by side; ``churn`` of the clients leave or come back in bursts, once a second."""
    dice = random.Random(seed)
    everyone = range(clients)
    listening = [{one for one in everyone if topics == "all" or one % shards == number} for number in range(shards)]
    processes = [Shard(Pacing(QUOTA / shards), set(some)) for some in listening]
    now, next_burst = dice.random(), 1.0
    # Processes do not start in step.
    starts = [dice.random() * BATCH_SECONDS for _ in processes]
    end = now + seconds
    while now < end:
        if now >= next_burst:
            next_burst += 1.0
            moving = set(dice.sample(everyone, int(churn * clients)))
            for process, some in zip(processes, listening, strict=True):
                process.clients ^= moving & some
        for process, start in zip(processes, starts, strict=True):
            if process.free_at <= now + start:
                process.invoke(now + start)
        now += BATCH_SECONDS
    return processes, np.sort(np.concatenate([process.posted for process in processes]))


def busiest_second(times: np.ndarray) -> int:
    """Give the most posts in any window of a second, wherever it begins."""
    return int((np.searchsorted(times, times + 1.0, side="left") - np.arange(len(times))).max(initial=0))


@settings(max_examples=12, deadline=None)
@given(
    clients=st.integers(1, 20_000),
    shards=st.integers(1, 8),
    topics=st.sampled_from(["one", "all"]),
    churn=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 2**16),
)
@example(clients=20_000, shards=1, topics="one", churn=0.0, seed=1)
@example(clients=20_000, shards=8, topics="all", churn=0.0, seed=2)
@example(clients=20_000, shards=8, topics="one", churn=1.0, seed=3)
@example(clients=10_000, shards=2, topics="one", churn=0.0, seed=4)
@example(clients=1, shards=8, topics="all", churn=0.0, seed=5)
def test_the_quota_holds_and_nobody_waits_longer_than_is_stated(
    clients: int, shards: int, topics: str, churn: float, seed: int
) -> None:
    processes, times = simulate(clients, shards, topics=topics, seconds=6.0, churn=churn, seed=seed)
    assert busiest_second(times) <= QUOTA
    for process in processes:
        for waited, allowed in process.waits:
            # A debt of a burst, or a client more than there were, is paid for within the longest interval.
            slack = MAX_INTERVAL if churn else 0.0
            assert waited <= max(allowed, slack) + allowed * bool(churn) + BATCH_SECONDS


@pytest.mark.parametrize(("clients", "seconds"), [(1, 0.1), (700, 0.1), (1_400, 0.2), (7_000, 1.0), (10_000, 10 / 7)])
def test_the_interval_grows_with_the_clients(clients: int, seconds: float) -> None:
    """By hand: 7 posts in 10 are a flush's, so 7,000 clients of one process get one a second."""
    assert Pacing(QUOTA).interval(clients) == pytest.approx(seconds)
    processes, _ = simulate(clients, 1, topics="one", seconds=10.0, churn=0.0, seed=7)
    flushes = len(processes[0].waits)
    # The bucket is full at first, which is worth two seconds more.
    assert 10.0 / (seconds + BATCH_SECONDS) - 1 <= flushes <= (10.0 + MAX_INTERVAL) / seconds + 1


def test_ten_thousand_clients_get_a_frame_every_one_and_a_half_seconds() -> None:
    """A frame a second each would be the quota whole, with nothing left for answers."""
    processes, times = simulate(10_000, 4, topics="one", seconds=30.0, churn=0.0, seed=11)
    assert len(times) / 30 == pytest.approx(MEAN_SHARE * QUOTA, rel=0.1)
    for process in processes:
        # Between two flushes 1.43 s, and 1.11 s until the last client has its post.
        assert max(waited for waited, _ in process.waits) <= 1.43 + 1.12 + BATCH_SECONDS


def test_refusals_halve_the_rate_once_a_second_and_it_comes_back() -> None:
    pacing = Pacing(1_000)
    now = 100.0
    for _ in range(50):
        pacing.throttled(now)
    assert [rate_at(pacing, now)] == pytest.approx([450], rel=0.01)
    pacing.throttled(now + 0.5)
    assert rate_at(pacing, now + 0.5) == pytest.approx(472, rel=0.01)
    # 5 % of the share a second: ten seconds later it is whole again.
    assert rate_at(pacing, now + 10) == pytest.approx(900, rel=0.01)


def test_a_quota_that_others_use_too_is_found() -> None:
    """Another application takes half of the account's posts: few are refused once the rate has settled."""
    pacing = Pacing(QUOTA)
    tokens, at, refused, sent = 5_000.0, 0.0, 0, 0
    now = 0.0
    while now < 60:
        now += max(pacing.turn(now), 1e-5)
        tokens, at = min(5_000.0, tokens + 5_000 * (now - at)), now
        if now > 20:
            sent += 1
        if tokens >= 1:
            tokens -= 1
        else:
            pacing.throttled(now)
            refused += now > 20
    assert refused / sent < 0.1
    assert 3_000 < sent / 40 < 6_000


def test_a_process_without_listeners_never_waits() -> None:
    pacing = Pacing(10)
    assert all(pacing.due(now / 1_000, 0) for now in range(100))
    assert pacing.due(0.2, 5)


def test_two_flushes_are_a_tenth_of_a_second_apart() -> None:
    pacing = Pacing(QUOTA)
    flushed = [now for now in range(1_000) if pacing.due(now / 1_000, 1)]
    gaps = np.diff(flushed)
    assert gaps.min() >= MIN_INTERVAL * 1_000
    assert gaps.max() <= MIN_INTERVAL * 1_000 + 1


@pytest.mark.parametrize("share", [0, -1, float("nan")])
def test_a_share_of_nothing_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pacing(share)


def rate_at(pacing: Pacing, now: float) -> float:
    """Give the posts a second at which turns come, from 100 turns after the burst is used up."""
    while pacing.turn(now) <= 0:
        pass
    return 100 / (sum_of_waits(pacing, now, 100))


def sum_of_waits(pacing: Pacing, now: float, turns: int) -> float:
    first = pacing.turn(now)
    for _ in range(turns - 1):
        last = pacing.turn(now)
    return (last - first) * turns / (turns - 1)
