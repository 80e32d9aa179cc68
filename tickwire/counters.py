"""Walking a partition's dense counters: what is next, what is a repeat, what must stop."""

from tickwire.errors import CounterJump


class CounterCursor:
    """Follows the counters of one logical partition from the last one that is already dealt with."""

    __slots__ = ("last", "partition")

    def __init__(self, partition: int, last: int) -> None:
        self.partition = partition
        self.last = last

    def admit(self, counter: int) -> bool:
        """Say whether the record of this counter is the next one (then it is the last), or a repeat.

        Raises
        ------
        CounterJump
            If records between are missing.
        """
        if counter <= self.last:
            return False
        if counter != self.last + 1:
            raise CounterJump(f"partition {self.partition}: counter {counter} came after {self.last}")
        self.last = counter
        return True
