"""What is said but not yet posted: for each key and source one update that grows. Pure."""

from collections.abc import Iterator

from lambdas.broadcaster.conflation import Conflated, Said
from lambdas.broadcaster.heads import Span
from lambdas.broadcaster.value import Key


class Pending:
    """Conflates updates between two flushes; ``None`` is the source of what is not numbered."""

    def __init__(self) -> None:
        self._updates: dict[Key, dict[int | None, Conflated]] = {}

    def add(self, key: Key, source: int | None, span: Span | None, said: list[Said]) -> None:
        """Take what was said of a key."""
        self._updates.setdefault(key, {}).setdefault(source, Conflated()).add(span, said)

    def waiting(self) -> list[Key]:
        """Give the keys that something is to be said of."""
        return list(self._updates)

    def of(self, key: Key) -> Iterator[tuple[int | None, Conflated]]:
        """Give, by source, what is to be said of a key."""
        yield from self._updates.get(key, {}).items()

    def drop(self, source: int) -> None:
        """Forget what came of a source: another process has posted it since, or what came after it."""
        for key in list(self._updates):
            self._updates[key].pop(source, None)
            if not self._updates[key]:
                del self._updates[key]

    def clear(self) -> None:
        """Forget all: it is posted."""
        self._updates.clear()
