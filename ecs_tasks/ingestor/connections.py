"""The connections of the task: opened and closed while it runs, paused and resumed together."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator

from ecs_tasks.ingestor.attempts import Attempts
from ecs_tasks.ingestor.connection import Connection, Hooks
from ecs_tasks.ingestor.settings import FeedSettings
from ecs_tasks.ingestor.stats import Stats
from tickwire.venues.feed import Feed


class Connections:
    """One connection an entry of the settings that this task holds.

    Parameters
    ----------
    new_feed : gives a fresh parser by the feed's name
    attempts : the venues' limits on attempts, which all connections share
    """

    def __init__(
        self, *, new_feed: Callable[[str], Feed], hooks: Hooks, stats: Stats, attempts: Attempts | None = None
    ) -> None:
        self._new_feed = new_feed
        self._hooks = hooks
        self._stats = stats
        self._attempts = attempts or Attempts()
        self._running: dict[Connection, asyncio.Task[None] | None] = {}
        self._group: asyncio.TaskGroup | None = None
        self._paused: set[str] = set()

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._running))

    def __len__(self) -> int:
        return len(self._running)

    def __getitem__(self, index: int) -> Connection:
        return tuple(self._running)[index]

    def check(self, entries: Iterable[FeedSettings]) -> dict[str, str]:
        """See that the venues could have these symbols, so that a wrong one stops the task now, and not later.

        Gives the venue of each feed. Loads what the feeds need to read frames, too.

        Raises
        ------
        UnknownSymbol, ValueError
        """
        venues = {}
        for entry in entries:
            feed = self._new_feed(entry.feed)
            venues[entry.feed] = feed.venue
            feed.connect_path(entry.symbols)
            # Before any socket is open, not when its first frames come.
            feed.prepare()
        return venues

    def start(self, group: asyncio.TaskGroup) -> None:
        """Run the connections, those that are open and those that will be, as tasks of a group."""
        self._group = group
        for connection in self:
            self._running[connection] = group.create_task(connection.run())

    def open(self, entry: FeedSettings) -> Connection:
        """Add a connection, and run it once the task runs."""
        connection = Connection(
            entry,
            new_feed=lambda: self._new_feed(entry.feed),
            hooks=self._hooks,
            stats=self._stats.feed(entry.feed),
            attempts=self._attempts,
        )
        for cause in self._paused:
            connection.pause(cause)
        self._running[connection] = None if self._group is None else self._group.create_task(connection.run())
        return connection

    async def close(self, connection: Connection, seconds: float) -> None:
        """Read what the venue sent before it hears of the end, for at most ``seconds``, and drop the connection."""
        await connection.stop(seconds)
        running = self._running.pop(connection)
        if running is not None:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
        self._stats.feed(connection.entry.feed).closed(id(connection))

    async def stop(self, seconds: float) -> None:
        """Stop all, as :meth:`close` does, but keep them for the counts."""
        await asyncio.gather(*(connection.stop(seconds) for connection in self))

    def cancel(self) -> None:
        """End what runs of stopped connections."""
        for running in self._running.values():
            if running is not None:
                running.cancel()

    def pause(self, cause: str) -> None:
        """Stop reading all sockets, and those that will be opened."""
        self._paused.add(cause)
        for connection in self:
            connection.pause(cause)

    def resume(self, cause: str) -> None:
        """Read again if no other cause to pause is left."""
        self._paused.discard(cause)
        for connection in self:
            connection.resume(cause)
