"""Frames of one connection that wait to be parsed together."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

PADDING = 256
"""Zero bytes behind the last frame: a kernel loads whole words and compares whole literals past a frame's end."""

_PADDING = bytes(PADDING)


class FrameBuffer:
    """Text frames with their times of receipt, in order of arrival.

    Frames are kept as they came and laid back to back when they are parsed. To copy each into one growing
    buffer as it arrives costs as much, on the socket's path, and saves nothing: a frame that no layout matches
    is wanted as bytes, and a buffer that is being looked at cannot grow.
    """

    __slots__ = ("_counted", "_frames", "_nbytes", "_times")

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._times: list[int] = []
        self._counted = 0
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all frames together, counted when asked for: not each time that a frame arrives."""
        if self._counted < len(self._frames):
            self._nbytes += sum(map(len, self._frames[self._counted :]))
            self._counted = len(self._frames)
        return self._nbytes

    def __len__(self) -> int:
        return len(self._frames)

    def append(self, frame: bytes | bytearray | memoryview, receive_time: int) -> None:
        """Add a frame received at ``receive_time`` (ns UTC); what is not ``bytes`` is copied."""
        if type(frame) is not bytes:
            frame = bytes(frame)
        self._frames.append(frame)
        self._times.append(receive_time)

    def extend(self, frames: Sequence[bytes], receive_times: Sequence[int]) -> None:
        """Add frames with a time of receipt (ns UTC) for each.

        Raises
        ------
        ValueError
            If there are not as many times as frames; nothing is added then.
        """
        if len(receive_times) != len(frames):
            raise ValueError(f"{len(frames)} frames, {len(receive_times)} times")
        self._frames.extend(frames)
        self._times.extend(receive_times)

    def frame(self, k: int) -> bytes:
        """Give frame ``k`` as it came."""
        return self._frames[k]

    def receive_time(self, k: int) -> int:
        """Give when frame ``k`` was received, ns UTC."""
        return self._times[k]

    def clear(self) -> None:
        """Forget all frames."""
        self._frames.clear()
        self._times.clear()
        self._counted = self._nbytes = 0

    def columns(self, *, one_line_each: bool = False) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Give all frames as columns, which stay as they are when more frames are added.

        Returns
        -------
        data : uint8, read-only, the n frames, a newline behind each, and :data:`PADDING` zeros. There are more
            lines than frames where one holds a newline itself; with ``one_line_each`` such a frame is left out,
            and its line is empty
        receive_times : int64 (n,), ns UTC
        """
        frames = self._frames
        if one_line_each:
            frames = [b"" if b"\n" in frame else frame for frame in frames]
        data = np.frombuffer(b"\n".join([*frames, _PADDING]), np.uint8)
        return data, np.fromiter(self._times, np.int64, len(frames))
