"""Waits that end at once when the task is asked to stop."""

import asyncio


class Pause:
    """The task's wish to stop, and waiting in its light."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether the task was asked to stop."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """End all waits, those to come too."""
        self._stopping.set()

    async def sleep(self, seconds: float) -> None:
        """Wait so long, or until the task stops."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def wait(self, event: asyncio.Event) -> None:
        """Wait for an event and clear it, or until the task stops."""
        waits = [asyncio.ensure_future(event.wait()), asyncio.ensure_future(self._stopping.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        event.clear()

    async def until_stopped(self) -> None:
        """Wait until the task is asked to stop."""
        await self._stopping.wait()
