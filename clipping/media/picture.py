"""A decoded picture with its time, converted on request: upright, RGB, at any size."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from clipping.errors import MediaError
from clipping.media.container import MAX_PIXELS, MAX_SIDE, fraction, tick

_MOST_SCALERS = 8
"""Scalers that a thread keeps; the oldest one goes first."""
_of_thread = threading.local()


@dataclass(frozen=True)
class Frame:
    """A decoded picture; it is converted only when :meth:`rgb` is called."""

    time: float
    """Media time of its PTS (presentation timestamp), in seconds."""
    duration: float
    """Seconds that the file says it is shown; the next frame ends it in any case."""
    picture: av.VideoFrame = field(repr=False)
    """As decoded: in its own pixel format, not rotated."""
    sample_aspect: Fraction = Fraction(1)
    """Width of a stored pixel divided by its height."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels as a viewer sees it: square pixels, upright."""
        return display_size(
            self.picture.width, self.picture.height, self.sample_aspect, clockwise(self.picture)
        )

    def rgb(self, size: tuple[int, int] | None = None) -> np.ndarray:
        """The upright picture as uint8 (height, width, 3), area-averaged to ``size``.

        Args:
            size: width and height of the upright result; None: :attr:`size`. The picture is
                stretched to fill it; its aspect is not kept.

        Raises:
            MediaError: if the picture cannot be converted.
        """
        turns = clockwise(self.picture) // 90
        width, height = size or self.size
        if turns % 2:
            width, height = height, width
        try:
            scaled = scale(self.picture, width, height)
        except av.error.FFmpegError:
            scaled = self._with_usual_colours(width, height)
        return np.ascontiguousarray(np.rot90(scaled.to_ndarray(), -turns))

    def _with_usual_colours(self, width: int, height: int) -> av.VideoFrame:
        """Scale a picture whose header names an unknown colour space, as if it were BT.709."""
        try:
            return scale(self.picture, width, height, Colorspace.ITU709)
        except av.error.FFmpegError as error:
            raise MediaError(
                f"the frame at {self.time:.3f} s ({self.picture.format.name}) cannot be "
                f"converted to RGB: {error.strerror}"
            ) from error


def scale(
    picture: av.VideoFrame, width: int, height: int, colours: Colorspace | None = None
) -> av.VideoFrame:
    """A decoded picture as rgb24 of another size, area-averaged.

    A scaler is kept for the next picture of the same format and sizes: making one costs as much as
    scaling a picture. It uses one thread: starting threads for each picture costs several times
    more.

    Args:
        colours: the colour space to assume; None: the picture's own.
    """
    scalers: dict[tuple[Any, ...], VideoReformatter] = _of_thread.__dict__.setdefault("scalers", {})
    key = (picture.format.name, picture.width, picture.height, width, height, colours)
    if key not in scalers:
        if len(scalers) == _MOST_SCALERS:
            del scalers[next(iter(scalers))]
        scalers[key] = VideoReformatter()
    return scalers[key].reformat(
        picture,
        width,
        height,
        "rgb24",
        src_colorspace=colours,
        dst_colorspace=colours,
        interpolation="AREA",
        threads=1,
    )


def use_threads(stream: av.VideoStream, threads: int | None) -> None:
    """Set the number of threads of a stream's decoder; None: one per core."""
    stream.thread_type = "AUTO"
    stream.thread_count = threads or 0


class Clock:
    """Converts the timestamps of a video stream to seconds of media time."""

    def __init__(self, stream: av.VideoStream, origin: Fraction) -> None:
        self._tick, self._origin = tick(stream), origin
        rate = stream.average_rate or stream.guessed_rate
        self.interval = float(1 / rate) if rate else 1 / 25
        """Seconds from frame to frame, from the frame rate; 1/25 if that is unknown."""
        self._aspect = fraction(stream.sample_aspect_ratio) or Fraction(1)

    def time(self, pts: int) -> float:
        """Media time, in seconds, of a timestamp."""
        return float(pts * self._tick - self._origin)

    def frame(self, picture: av.VideoFrame, time: float) -> Frame:
        """Wrap a decoded picture that is shown from ``time`` (media time) on."""
        length = float(picture.duration * self._tick) if picture.duration else 0.0
        return Frame(time, length or self.interval, picture, self._aspect)


def display_size(
    width: int, height: int, sample_aspect: Fraction, rotation: int
) -> tuple[int, int]:
    """The (width, height) in square pixels, upright, of a picture's stored size.

    A pixel aspect that would make the picture larger than any real one is damage; then square
    pixels are assumed.

    Args:
        rotation: degrees, a multiple of 90.
    """
    wide = max(1, round(width * sample_aspect)) if width else 0
    if wide > MAX_SIDE or wide * height > MAX_PIXELS:
        wide = width
    return (height, wide) if rotation % 180 else (wide, height)


def clockwise(picture: av.VideoFrame) -> int:
    """Degrees to turn the stored picture clockwise to make it upright: 0, 90, 180 or 270."""
    return round(-picture.rotation / 90) * 90 % 360
