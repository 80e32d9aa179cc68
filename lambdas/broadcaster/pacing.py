"""When a process may post to clients, so that all of them together stay within API Gateway's quota.

An account has 10,000 requests a second and region for WebSocket APIs (Amazon API Gateway quotas, "Throttle quota per
account, per Region"), posts to ``@connections`` among them. Every shard's broadcaster has an equal share. Pure: times
are handed in, in seconds of a monotonic clock.
"""

MIN_INTERVAL = 0.1
MAX_INTERVAL = 2.0
"""Seconds between two flushes. The longest holds even where the share does not: then the flush itself is spread."""

MEAN_SHARE = 0.7
"""Of the share that flushes take in the long run; answers, snapshots and second tries have the rest."""
PEAK_SHARE = 0.9
"""Of the share at which the posts of one flush leave."""
BURST_SECONDS = 0.05
"""How long a post may have waited for its turn without giving it up: 5 % of a second's posts more, at the most."""

RECOVERY_A_SECOND = 0.05
"""Additive increase: of the share, for each second without a refusal."""
DECREASE = 0.5
"""Multiplicative decrease, at most once a second: all refusals of a flush are one piece of news."""
LEAST_RATE = 0.05
"""Of the share: even while others take the whole quota, something gets through."""


class Pacing:
    """A token bucket for flushes, and turns for the posts of one; both slow down where API Gateway refuses.

    Parameters
    ----------
    posts_per_second
        This process's share of the quota.

    Raises
    ------
    ValueError
        If the share is not above 0.
    """

    def __init__(self, posts_per_second: float) -> None:
        if not posts_per_second > 0:
            raise ValueError(f"a share of the quota is above 0 posts a second, not {posts_per_second}")
        self._share = posts_per_second
        self._tokens = 0.0
        self._filled = float("-inf")
        self._flushed = float("-inf")
        self._cut = float("-inf")
        self._rate_at_cut = 1.0
        self._next_turn = float("-inf")

    def due(self, now: float, posts: int) -> bool:
        """Say whether a flush of so many posts may begin now, and take them from the bucket if so.

        A flush larger than the bucket waits for a full one and leaves a debt behind, so that the mean holds.
        """
        if posts <= 0:
            return True
        rate = MEAN_SHARE * self._rate(now)
        most = MAX_INTERVAL * rate
        if self._filled == float("-inf"):
            self._tokens = most
        else:
            self._tokens = min(most, self._tokens + rate * (now - self._filled))
        self._filled = now
        waited = now - self._flushed
        if waited < MIN_INTERVAL or (waited < MAX_INTERVAL and self._tokens < min(posts, most)):
            return False
        # A debt is bounded, or a burst of clients would be paid for long after they have left.
        self._tokens = max(self._tokens - posts, -most)
        self._flushed = now
        return True

    def turn(self, now: float) -> float:
        """Take a turn for one post; gives how many seconds it has to wait (the generic cell rate algorithm)."""
        self._next_turn = max(self._next_turn, now - BURST_SECONDS)
        wait = max(0.0, self._next_turn - now)
        self._next_turn += 1 / (PEAK_SHARE * self._rate(now))
        return wait

    def throttled(self, now: float) -> None:
        """Hear that API Gateway refused a post for the quota's sake (429, ``LimitExceededException``)."""
        if now - self._cut >= 1:
            self._rate_at_cut = max(LEAST_RATE, DECREASE * self._rate(now) / self._share)
            self._cut = now

    def interval(self, posts: int) -> float:
        """Give the longest time, in seconds, between two flushes of so many posts, without refusals.

        What the bucket allows, within the two bounds; or the time that the posts themselves take.
        """
        mean = min(MAX_INTERVAL, posts / (MEAN_SHARE * self._share))
        return max(MIN_INTERVAL, mean, self.spread(posts))

    def spread(self, posts: int) -> float:
        """Give how long, in seconds, the posts of a flush take to leave, without refusals."""
        return posts / (PEAK_SHARE * self._share)

    def _rate(self, now: float) -> float:
        """Give the posts a second that there are at the moment: the share, or less after refusals."""
        return self._share * min(1.0, self._rate_at_cut + RECOVERY_A_SECOND * max(0.0, now - self._cut))
