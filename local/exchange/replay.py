"""Recorded captures, played back frame by frame as they were recorded."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.exchange.listings import listings
from local.exchange.recorded_tape import RecordedTapes
from local.exchange.source import Source
from local.exchange.venues.protocol import EVERYONE, Desk, FeedProtocol, Outgoing, Recorded
from local.exchange.venues.registry import new_protocol
from tickwire.capture import CaptureError, detect_feed, read_capture

if TYPE_CHECKING:
    from local.exchange.connection import Connection
    from local.exchange.floor import Floor

MAX_SPEED = 0.0
"""As fast as the clients take it."""

_SETTLE = 200_000_000
"""ns without a change of subscriptions before a replay starts: a client sends several messages to subscribe."""
_POLL_SECONDS = 0.005
_HIGH_WATER = 512 * 1024
"""Bytes unread by a client at which a replay waits for it."""
_ROOM_POLL_SECONDS = 0.001
_STALL = 30_000_000_000
"""ns. A client that holds a replay up for longer than this is cut."""
_BATCH_FRAMES = 256
_BATCH_BYTES = 256 * 1024
"""Frames that are due at once are written together, and others get a turn after so many."""
_MIN_SLEEP_SECONDS = 0.001
_LOOKED_AT = 200
"""Frames of a file by which its feed is told."""


class Recording:
    """A capture file, read once to know what is in it."""

    def __init__(self, path: Path) -> None:
        """Read the file through.

        Raises
        ------
        CaptureError
            If it cannot be read, or is of no known feed.
        """
        self.path = path
        feed = detect_feed(path) or _listed_feed(path)
        if feed is None:
            raise CaptureError(f"{path}: not a capture of {', '.join(_feeds())}")
        self.feed = feed
        self._protocol: FeedProtocol = new_protocol(feed, Desk({}))
        self.topics: set[str] = set()
        symbols: dict[str, None] = {}
        self.frames = self.trades = 0
        for _, recorded, _ in self.read():
            self.frames += 1
            self.topics.update(recorded.topics)
            symbols.update(dict.fromkeys(recorded.symbols))
            self.trades += sum(last - first + 1 for _, first, last in recorded.trades)
        self.topics.discard(EVERYONE)
        if not self.topics:
            raise CaptureError(f"{path}: holds no frame of {feed} that a client could subscribe to")
        self.symbols = tuple(symbols)

    def read(self) -> Iterator[tuple[bytes, Recorded, int | None]]:
        """Give every frame that is to be sent, what it is, and when it came (ns UTC; None if nothing tells)."""
        for captured in read_capture(self.path):
            recorded = self._protocol.describe(captured.frame)
            if recorded is not None:
                yield (
                    captured.frame,
                    recorded,
                    recorded.time if captured.receive_time is None else captured.receive_time,
                )


class Player:
    """Plays one recording: starts when someone subscribed, waits while nobody is, skips nothing that was not sent."""

    def __init__(self, recording: Recording, tapes: RecordedTapes, *, speed: float, subscribers: int = 1) -> None:
        self.recording = recording
        self._tapes = tapes
        self.finished = False
        self.played = 0
        self._speed = speed
        self._subscribers = subscribers
        self._frames = recording.read()
        self._again: deque[tuple[Outgoing, Recorded, int | None]] = deque()
        self._sent: deque[tuple[Outgoing, Recorded, int | None]] = deque()
        self._anchor: tuple[int, int] | None = None
        self._changes = -1
        self._exhausted = False
        self._stopped = False

    def stop(self) -> None:
        self._stopped = True

    async def play(self, floor: "Floor") -> None:
        """Play to the end, or until stopped."""
        needed = self._subscribers
        while not self._stopped:
            await self._wait_for_subscribers(floor, needed)
            needed = 1
            await self._play_on(floor)
            await self._wait_until_written(floor)
            self._take_back()
            if self._exhausted and not self._again:
                break
        self.finished = True

    async def _wait_for_subscribers(self, floor: "Floor", needed: int) -> None:
        while not self._stopped:
            settled = floor.now() - floor.subscription_changed >= _SETTLE
            if settled and self._listeners(floor) >= needed:
                break
            await asyncio.sleep(_POLL_SECONDS)
        # The time that nobody listened is no time of the recording.
        self._anchor = None
        self._changes = floor.subscription_changes

    def _listeners(self, floor: "Floor") -> int:
        topics = self.recording.topics
        return sum(not one.session.topics.isdisjoint(topics) for one in floor.connections(self.recording.feed))

    async def _play_on(self, floor: "Floor") -> None:
        """Play while someone listens."""
        feed = self.recording.feed
        frames = size = 0
        while not self._stopped:
            if floor.subscription_changes != self._changes:
                self._changes = floor.subscription_changes
                self._take_back()
                if not self._listeners(floor):
                    return
            if self._again:
                item = self._again.popleft()
            else:
                frame = next(self._frames, None)
                if frame is None:
                    self._exhausted = True
                    break
                payload, recorded, time = frame
                item = (Outgoing(payload, recorded.topics, recorded.trades, recorded=True), recorded, time)
            interest = floor.interest(feed)
            if recorded_for_nobody(item[1], interest):
                continue
            delay = self._delay(floor.now(), item[2])
            if delay > _MIN_SLEEP_SECONDS or frames >= _BATCH_FRAMES or size >= _BATCH_BYTES:
                frames = size = 0
                floor.flush(feed)
                await asyncio.sleep(delay)
                await self._wait_for_room(floor)
                if floor.subscription_changes != self._changes:
                    self._again.appendleft(item)
                    continue
            frames += 1
            size += len(item[0].body)
            self._publish(floor, *item)
        floor.flush(feed)

    def _publish(self, floor: "Floor", outgoing: Outgoing, recorded: Recorded, time: int | None) -> None:
        floor.publish(self.recording.feed, [outgoing])
        self.played += 1
        desk = floor.protocols[self.recording.feed].desk
        for symbol, _, last in recorded.trades:
            desk.recorded_ids[symbol] = max(last, desk.recorded_ids.get(symbol, 0))
        if recorded.trades:
            self._tapes.played(self.recording.feed, outgoing.body)
        if recorded.beat:
            desk.beat_replayed = floor.now()
        self._sent.append((outgoing, recorded, time))
        while self._sent and self._sent[0][0].written:
            self._sent.popleft()

    def _delay(self, now: int, time: int | None) -> float:
        """Give the seconds until a frame of ``time`` is due; frames without a time follow at once."""
        if self._speed == MAX_SPEED or time is None:
            return 0.0
        if self._anchor is None:
            self._anchor = (now, time)
            return 0.0
        started, first = self._anchor
        return max(0.0, (started + (time - first) / self._speed - now) / 1e9)

    async def _wait_for_room(self, floor: "Floor") -> None:
        """Wait while a client has much unread."""
        await self._wait_while(floor, lambda one: one.backlog > _HIGH_WATER)

    async def _wait_until_written(self, floor: "Floor") -> None:
        """Wait until every frame was taken by all who should get it."""
        await self._wait_while(floor, lambda one: one.backlog > 0 and any(item[0].holders for item in self._sent))

    async def _wait_while(self, floor: "Floor", is_behind: "Callable[[Connection], bool]") -> None:
        """Wait for clients; one that takes nothing for long is cut."""
        feed = self.recording.feed
        progress: dict[Connection, tuple[int, int]] = {}
        while not self._stopped and (behind := [one for one in floor.connections(feed) if is_behind(one)]):
            now = floor.now()
            for connection in behind:
                written, since = progress.get(connection, (-1, now))
                if connection.frames_written != written:
                    progress[connection] = (connection.frames_written, now)
                elif now - since > _STALL:
                    floor.cut_off(connection, "slow")
            await asyncio.sleep(_ROOM_POLL_SECONDS)
            floor.flush(feed)

    def _take_back(self) -> None:
        """Put the frames that broken connections lost, and nobody got, back in front."""
        lost = [item for item in self._sent if not item[0].written and not item[0].holders]
        self._sent = deque(item for item in self._sent if item[0].holders and not item[0].written)
        self._again.extendleft(reversed(lost))


def _feeds() -> list[str]:
    return [feed for listing in listings().values() for feed in listing.feeds]


def _listed_feed(path: Path) -> str | None:
    """Tell a capture that :func:`detect_feed` does not know by which venue finds a trade in its first frames."""
    frames = [captured.frame for captured in islice(read_capture(path), _LOOKED_AT)]
    for feed in _feeds():
        protocol = new_protocol(feed, Desk({}))
        if any((recorded := protocol.describe(frame)) is not None and recorded.trades for frame in frames):
            return feed
    return None


def recorded_for_nobody(recorded: Recorded, interest: AbstractSet[str]) -> bool:
    """Tell whether no topic of a recorded frame is subscribed to."""
    return EVERYONE not in recorded.topics and interest.isdisjoint(recorded.topics)


class ReplaySource(Source):
    """Several recordings at once, each for its feed."""

    name = "replay"

    def __init__(self, paths: list[Path], *, speed: float = 1.0, subscribers: int = 1) -> None:
        """Read the files through.

        Parameters
        ----------
        speed : 1 is the pace of the recording, :data:`MAX_SPEED` as fast as the clients take it
        subscribers : connections that must listen to a recording before it starts

        Raises
        ------
        CaptureError
            If a file cannot be read, or is of no known feed.
        """
        recordings = [Recording(path) for path in paths]
        self.tapes = tapes = RecordedTapes()
        self.players = [Player(recording, tapes, speed=speed, subscribers=subscribers) for recording in recordings]
        self.desks = {}
        for feed in dict.fromkeys(recording.feed for recording in recordings):
            mine = [recording for recording in recordings if recording.feed == feed]
            symbols = dict.fromkeys(symbol for recording in mine for symbol in recording.symbols)
            self.desks[feed] = Desk(dict.fromkeys(symbols, None))

    async def run(self, floor: "Floor") -> None:
        await asyncio.gather(*(player.play(floor) for player in self.players))

    def stop(self) -> None:
        for player in self.players:
            player.stop()

    def report(self) -> dict[str, Any]:
        return {
            "files": [
                {
                    "file": player.recording.path.name,
                    "feed": player.recording.feed,
                    "frames": player.recording.frames,
                    "trades": player.recording.trades,
                    "played": player.played,
                    "finished": player.finished,
                }
                for player in self.players
            ]
        }
