"""Pictures of a video at given times, by their timestamps."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from clipping.container import (
    MAX_JUMP,
    MAX_PIXELS,
    MAX_SIDE,
    best_video,
    decode,
    fraction,
    open_media,
    origin,
    packets,
    seek,
    tick,
    translated,
)
from clipping.errors import MediaError

LATE_START = 0.5
"""Seconds: a picture that begins this little after the wanted time is taken for it."""

_EPSILON = 1e-6
"""Seconds: a wanted time is a rounded float, a timestamp is exact."""

_FAR = 10.0
"""Seconds between wanted times from which seeking beats decoding on, until GOPs prove longer."""


@dataclass(frozen=True)
class Frame:
    """A decoded picture; it is converted only when :meth:`rgb` is called."""

    time: float
    """Media time of its PTS, in seconds."""
    duration: float
    """Seconds it asks to be shown; the next frame ends it whatever this says."""
    picture: av.VideoFrame = field(repr=False)
    """As decoded: its own pixel format, not rotated."""
    sample_aspect: Fraction = Fraction(1)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as a viewer sees it: square pixels, upright."""
        return display_size(
            self.picture.width, self.picture.height, self.sample_aspect, clockwise(self.picture)
        )

    def rgb(self, size: tuple[int, int] | None = None) -> np.ndarray:
        """The upright picture as uint8 (height, width, 3), area-averaged to ``size``.

        Args:
            size: width and height of the upright result; None: :attr:`size`. The shape is filled
                whatever its aspect.
        """
        turns = clockwise(self.picture) // 90
        width, height = size or self.size
        if turns % 2:
            width, height = height, width
        try:
            scaled = self.picture.reformat(width, height, "rgb24", interpolation="AREA")
        except av.error.FFmpegError:
            scaled = self._with_usual_colours(width, height)
        return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), -turns))

    def _with_usual_colours(self, width: int, height: int) -> av.VideoFrame:
        """Scale a picture whose header names a colour space that does not exist."""
        try:
            return self.picture.reformat(
                width,
                height,
                "rgb24",
                src_colorspace="ITU709",
                dst_colorspace="ITU709",
                interpolation="AREA",
            )
        except av.error.FFmpegError as error:
            raise MediaError(
                f"the frame at {self.time:.3f} s ({self.picture.format.name}) cannot be "
                f"converted to RGB: {error.strerror}"
            ) from error


def frames_at(path: Path | str, times: Sequence[float]) -> Iterator[Frame | None]:
    """The frame that is shown at each time: the one with the last PTS at or before it.

    None where no picture is shown: after the last frame has ended, and before the first one, save
    that a picture which begins at most ``LATE_START`` s after the time is taken for it. Damaged
    stretches keep showing the last good frame.

    Args:
        times: media times in seconds, ascending; far gaps are skipped by seeking.

    Raises:
        MediaError: where the file cannot be read, has no video, or no frame of it decodes.
        ValueError: where ``times`` is not ascending.
    """
    if any(later < earlier for earlier, later in itertools.pairwise(times)):
        raise ValueError("frames_at needs ascending times")
    return _frames_at(Path(path), times)


def _frames_at(path: Path, times: Sequence[float]) -> Iterator[Frame | None]:
    with translated(path), ExitStack() as stack:
        reader = _Reader(path, stack)
        for time in times:
            yield reader.shown_at(time)


def display_size(
    width: int, height: int, sample_aspect: Fraction, rotation: int
) -> tuple[int, int]:
    """Stored size → (width, height) upright with square pixels.

    An aspect that would make the picture larger than any real one is damage: it counts as square.
    """
    wide = max(1, round(width * sample_aspect)) if width else 0
    if wide > MAX_SIDE or wide * height > MAX_PIXELS:
        wide = width
    return (height, wide) if rotation % 180 else (wide, height)


def clockwise(picture: av.VideoFrame) -> int:
    """Degrees clockwise that turn the stored picture upright: 0, 90, 180 or 270."""
    return round(-picture.rotation / 90) * 90 % 360


class _Reader:
    """A video stream with the frame that is shown now and the one that follows it."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._path, self._stack = path, stack
        self._shown: Frame | None = None
        self._following: Frame | None = None
        self._longest_gop = 0.0
        self._open()
        if self._following is None:
            raise MediaError(f"{path}: no frame of its video can be decoded")

    def shown_at(self, time: float) -> Frame | None:
        """The frame shown at ``time``; times ascend from call to call."""
        if self._following is not None and time - self._following.time > self._far:
            self._jump(time)
        while self._following is not None and self._following.time <= time + _EPSILON:
            self._shown, self._following = self._following, self._read()
        if self._shown is None:
            first = self._following
            return first if first is not None and first.time <= time + LATE_START else None
        if self._following is None and time >= self._shown.time + self._shown.duration - _EPSILON:
            return None
        return self._shown

    @property
    def _far(self) -> float:
        return max(_FAR, 2 * self._longest_gop)

    def _open(self) -> None:
        """Begin at the first frame of the file."""
        self._stack.close()
        self._container = self._stack.enter_context(open_media(self._path))
        stream = best_video(self._container.streams)
        if stream is None:
            raise MediaError(f"{self._path}: has no video")
        stream.thread_type = "AUTO"
        self._stream, self._tick, self._origin = stream, tick(stream), origin(self._container)
        rate = stream.average_rate or stream.guessed_rate
        self._interval = float(1 / rate) if rate else 1 / 25
        self._aspect = fraction(stream.sample_aspect_ratio) or Fraction(1)
        self._begin(self._stream_packets(), floor=None)
        self._shown, self._following = None, self._read()

    def _begin(self, source: Iterator[av.Packet], floor: float | None) -> None:
        self._packets = source
        self._ready: deque[av.VideoFrame] = deque()
        self._drained = False
        self._last_time: float | None = None
        self._floor = floor

    def _jump(self, time: float) -> None:
        """Begin at a keyframe from which the frame at ``time`` can be decoded exactly.

        What a seek finds may start after ``time`` in presentation (its leading pictures need the
        GOP before: open GOPs), or not decode; then an earlier one is tried.
        """
        back = 0.0
        while time - back > 0:
            if seek(self._container, self._stream, Fraction(time - back) + self._origin):
                self._begin_at_keyframe()
                first = self._read()
                if first is not None and first.time <= time + _EPSILON:
                    self._shown, self._following = None, first
                    return
            back = max(1.0, 2 * back)
        self._open()

    def _begin_at_keyframe(self) -> None:
        source = self._stream_packets()
        for packet in source:
            if packet.is_keyframe and packet.pts is not None:
                # Frames before this one would lack their references.
                self._begin(_chain(packet, source), floor=self._time(packet.pts))
                return
        self._begin(iter(()), floor=None)

    def _stream_packets(self) -> Iterator[av.Packet]:
        """The packets of the stream; notes how far apart keyframes are."""
        last_key: float | None = None
        for packet in packets(self._container, self._stream):
            if packet.is_keyframe and packet.pts is not None:
                time = self._time(packet.pts)
                if last_key is not None:
                    self._longest_gop = max(self._longest_gop, time - last_key)
                last_key = time
            yield packet

    def _read(self) -> Frame | None:
        """The next frame in order of presentation, or None at the end."""
        while True:
            while self._ready:
                frame = self._to_frame(self._ready.popleft())
                if frame is not None:
                    return frame
            if self._drained:
                return None
            packet = next(self._packets, None)
            self._drained = packet is None
            self._ready.extend(decode(self._stream, packet))

    def _to_frame(self, picture: av.VideoFrame) -> Frame | None:
        """None for a picture that must not be shown: before the floor, or out of time."""
        if picture.pts is not None:
            time = self._time(picture.pts)
        else:  # a raw stream without timestamps
            time = 0.0 if self._last_time is None else self._last_time + self._interval
        if self._floor is not None and time < self._floor - _EPSILON:
            return None
        if self._last_time is not None and not 0 < time - self._last_time <= MAX_JUMP:
            return None
        self._last_time = time
        length = float(picture.duration * self._tick) if picture.duration else 0.0
        return Frame(time, length or self._interval, picture, self._aspect)

    def _time(self, pts: int) -> float:
        return float(pts * self._tick - self._origin)


def _chain(packet: av.Packet, rest: Iterator[av.Packet]) -> Iterator[av.Packet]:
    yield packet
    yield from rest
