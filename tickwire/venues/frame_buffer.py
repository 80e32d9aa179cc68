"""Frames of one connection that wait to be parsed together."""

from bisect import bisect_right
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
    is wanted as bytes, and a buffer that is being looked at cannot grow. Frames received at the same time
    share it: they came out of one read of the socket.
    """

    __slots__ = ("_ends", "_frames", "_times")

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        # Of each run of frames with the same time: the time, and how many frames there are up to its end.
        self._times: list[int] = []
        self._ends: list[int] = []

    @classmethod
    def received(cls, frames: list[bytes], receive_time: int) -> "FrameBuffer":
        """Give the frames of one read of a socket; the list itself is kept, not a copy."""
        buffer = cls()
        if frames:
            buffer._frames, buffer._times, buffer._ends = frames, [receive_time], [len(frames)]
        return buffer

    @property
    def nbytes(self) -> int:
        """Bytes of all frames together."""
        return sum(map(len, self._frames))

    def __len__(self) -> int:
        return len(self._frames)

    def append(self, frame: bytes | bytearray | memoryview, receive_time: int) -> None:
        """Add a frame received at ``receive_time`` (ns UTC); what is not ``bytes`` is copied."""
        self._frames.append(frame if type(frame) is bytes else bytes(frame))
        if self._times and self._times[-1] == receive_time:
            self._ends[-1] += 1
        else:
            self._times.append(receive_time)
            self._ends.append(len(self._frames))

    def extend(self, frames: Sequence[bytes], receive_times: Sequence[int]) -> None:
        """Add frames with a time of receipt (ns UTC) for each.

        Raises
        ------
        ValueError
            If there are not as many times as frames; nothing is added then.
        """
        if len(receive_times) != len(frames):
            raise ValueError(f"{len(frames)} frames, {len(receive_times)} times")
        for frame, receive_time in zip(frames, receive_times, strict=True):
            self.append(frame, receive_time)

    def frame(self, k: int) -> bytes:
        """Give frame ``k`` as it came."""
        return self._frames[k]

    def receive_time(self, k: int) -> int:
        """Give when frame ``k`` was received, ns UTC."""
        return self._times[bisect_right(self._ends, k)]

    def receive_times(self) -> npt.NDArray[np.int64]:
        """Give when each frame was received, int64 (n,), ns UTC."""
        counts = np.diff(self._ends, prepend=0) if self._ends else np.empty(0, np.int64)
        return np.array(self._times, np.int64).repeat(counts)

    def clear(self) -> None:
        """Forget all frames."""
        self._frames, self._times, self._ends = [], [], []

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
        # Not a copy of the list with one more: that would touch every frame.
        frames.append(_PADDING)
        try:
            data = np.frombuffer(b"\n".join(frames), np.uint8)
        finally:
            frames.pop()
        return data, self.receive_times()
