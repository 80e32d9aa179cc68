"""When to ask the venue whether a quiet symbol is quiet there too."""

MAX_DOUBLINGS = 4
"""A symbol that stays quiet is asked for after 1, 2, 4, … 16 times the first wait, so that many of them cost little."""
CONFIRM_SECONDS = 1.5
"""Until a newer trade is looked up again: the validator believes the second word, a second or more later."""


class TailWatch:
    """Watches one symbol's newest id; times are monotonic seconds."""

    __slots__ = ("_asked", "_confirming", "_seconds", "due_at", "last_id")

    due_at: float
    """When to ask."""

    def __init__(self, *, check_seconds: float) -> None:
        self._seconds = check_seconds
        self.last_id = -1
        self.due_at = float("inf")
        self._asked = 0
        self._confirming = False

    def observe(self, last_id: int, now: float) -> None:
        """Take in the newest id that the validator knows."""
        if last_id != self.last_id:
            self.last_id = last_id
            self._asked = 0
            self._confirming = False
            self.due_at = now + self._seconds

    def answered(self, highest: int | None, now: float) -> bool:
        """Take in the venue's highest id; give whether the validator should be told of it."""
        if highest is None or highest <= self.last_id:
            self._later(now)
            return False
        if self._confirming:
            self._later(now)
        else:
            self._confirming = True
            self.due_at = now + CONFIRM_SECONDS
        return True

    def failed(self, now: float) -> None:
        """Say that the venue gave no answer."""
        self._later(now)

    def _later(self, now: float) -> None:
        self._confirming = False
        self._asked += 1
        self.due_at = now + self._seconds * 2 ** min(self._asked, MAX_DOUBLINGS)
