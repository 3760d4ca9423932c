"""Read frames the plain way: decode all of them in order, and seek across long gaps.

It works on any stream. :mod:`clipping.media.decode_needed` is quicker, for streams whose packets
tell which of them can be skipped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av

from clipping.errors import MediaError
from clipping.media.container import (
    MAX_JUMP,
    best_video,
    decode_packet,
    open_media,
    origin,
    packets,
    seek,
)
from clipping.media.picture import Clock, Frame, use_threads

LATE_START = 0.5
"""Seconds that the first frame may begin after a wanted time and still be returned for it."""

EPSILON = 1e-6
"""Seconds added to a wanted time: it is a rounded float, while a timestamp is exact."""

_FAR = 10.0
"""Seconds: across a longer gap a seek is cheaper than decoding on; twice the longest group of
pictures seen so far, if that is longer."""


class FrameReader:
    """Reads a video stream in order and keeps two frames: the one shown now and the next one."""

    def __init__(self, path: Path, stack: ExitStack, threads: int | None = None) -> None:
        self._path, self._stack, self._threads = path, stack, threads
        self._shown: Frame | None = None
        self._following: Frame | None = None
        self._longest_gop = 0.0
        self._open()
        if self._following is None:
            raise MediaError(f"{path}: no frame of its video can be decoded")

    def shown_at(self, time: float) -> Frame | None:
        """The frame shown at ``time`` (media time); times must ascend from call to call."""
        if self._following is not None and time - self._following.time > self._far:
            self._jump(time)
        while self._following is not None and self._following.time <= time + EPSILON:
            self._shown, self._following = self._following, self._read()
        if self._shown is None:
            first = self._following
            return first if first is not None and first.time <= time + LATE_START else None
        if self._following is None and time >= self._shown.time + self._shown.duration - EPSILON:
            return None
        return self._shown

    @property
    def _far(self) -> float:
        return max(_FAR, 2 * self._longest_gop)

    def _open(self) -> None:
        """Start again at the first frame of the file."""
        self._stack.close()
        self._container = self._stack.enter_context(open_media(self._path))
        stream = best_video(self._container.streams)
        if stream is None:
            raise MediaError(f"{self._path}: has no video")
        use_threads(stream, self._threads)
        self._stream, self._origin = stream, origin(self._container)
        self._clock = Clock(stream, self._origin)
        self._begin(self._stream_packets(), floor=None)
        self._shown, self._following = None, self._read()

    def _begin(self, source: Iterator[av.Packet], floor: float | None) -> None:
        self._packets = source
        self._ready: deque[av.VideoFrame] = deque()
        self._drained = False
        self._last_time: float | None = None
        self._floor = floor

    def _jump(self, time: float) -> None:
        """Go to a keyframe from which the frame at ``time`` can be decoded exactly.

        The keyframe that a seek finds may be shown only after ``time``. In an open GOP (group of
        pictures), pictures stored after the keyframe but shown before it ("leading" pictures) also
        refer to the group before, so they cannot be decoded from here. It may also be damaged. In
        both cases an earlier keyframe is tried: 1, 2, 4 … seconds further back.
        """
        back = 0.0
        while time - back > 0:
            if seek(self._container, self._stream, Fraction(time - back) + self._origin):
                self._begin_at_keyframe()
                first = self._read()
                if first is not None and first.time <= time + EPSILON:
                    self._shown, self._following = None, first
                    return
            back = max(1.0, 2 * back)
        self._open()

    def _begin_at_keyframe(self) -> None:
        source = self._stream_packets()
        for packet in source:
            if packet.is_keyframe and packet.pts is not None:
                # Leading pictures, shown before this keyframe, lack their references: the floor
                # drops them.
                self._begin(_chain(packet, source), floor=self._clock.time(packet.pts))
                return
        self._begin(iter(()), floor=None)

    def _stream_packets(self) -> Iterator[av.Packet]:
        """The packets of the stream; records the longest distance between keyframes on the way."""
        last_key: float | None = None
        for packet in packets(self._container, self._stream):
            if packet.is_keyframe and packet.pts is not None:
                time = self._clock.time(packet.pts)
                if last_key is not None:
                    self._longest_gop = max(self._longest_gop, time - last_key)
                last_key = time
            yield packet

    def _read(self) -> Frame | None:
        """The next frame in the order they are shown, or None at the end."""
        while True:
            while self._ready:
                frame = self._to_frame(self._ready.popleft())
                if frame is not None:
                    return frame
            if self._drained:
                return None
            packet = next(self._packets, None)
            self._drained = packet is None
            self._ready.extend(decode_packet(self._stream, packet))

    def _to_frame(self, picture: av.VideoFrame) -> Frame | None:
        """Wrap a picture; None if it must not be shown: before the floor, or time went back."""
        if picture.pts is not None:
            time = self._clock.time(picture.pts)
        else:  # a raw stream without timestamps
            time = 0.0 if self._last_time is None else self._last_time + self._clock.interval
        if self._floor is not None and time < self._floor - EPSILON:
            return None
        if self._last_time is not None and not 0 < time - self._last_time <= MAX_JUMP:
            return None
        self._last_time = time
        return self._clock.frame(picture, time)


def _chain(packet: av.Packet, rest: Iterator[av.Packet]) -> Iterator[av.Packet]:
    yield packet
    yield from rest
