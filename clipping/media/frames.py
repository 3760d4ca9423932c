"""Read the frames of a video that are shown at given times, by their timestamps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av

from clipping.errors import MediaError
from clipping.media.container import best_video, open_media, origin, packets, seek, translated
from clipping.media.decode_all import FrameReader
from clipping.media.decode_needed import NeedsAllFrames, decode_needed
from clipping.media.picture import Clock, Frame, use_threads

_FAR = 30.0
"""Seconds: across a longer gap between wanted times, a seek is cheaper than reading packets."""


def frames_at(
    path: Path | str, times: Sequence[float], *, threads: int | None = None
) -> Iterator[Frame | None]:
    """The frame that is shown at each time: the one with the last PTS at or before it.

    None if no picture is shown: after the last frame has ended and before the first one. One
    exception: if the first frame begins at most ``LATE_START`` seconds after a time, it is
    returned. In damaged stretches the last good frame is still shown.

    If the stream tells which packets these frames need, only those are decoded
    (:mod:`clipping.media.decode_needed`), else every frame; the result is the same.

    Args:
        times: media times in seconds, ascending; long gaps are skipped by seeking.
        threads: of the decoder; None: one per core. One thread takes the least CPU time in total.

    Raises:
        MediaError: if the file cannot be read, has no video, or no frame of it decodes.
        ValueError: if ``times`` is not ascending.
    """
    if any(later < earlier for earlier, later in itertools.pairwise(times)):
        raise ValueError("frames_at needs ascending times")
    return _frames_at(Path(path), times, threads)


def _frames_at(path: Path, times: Sequence[float], threads: int | None) -> Iterator[Frame | None]:
    done = 0
    with translated(path):
        try:
            for frame in _decode_needed(path, times, threads):
                yield frame
                done += 1
        except NeedsAllFrames:
            yield from itertools.islice(decode_all(path, times, threads), done, None)


def decode_all(path: Path, times: Sequence[float], threads: int | None) -> Iterator[Frame | None]:
    """The result of :func:`frames_at`, by decoding every frame except in long gaps."""
    with translated(path), ExitStack() as stack:
        reader = FrameReader(path, stack, threads)
        for time in times:
            yield reader.shown_at(time)


def _decode_needed(
    path: Path, times: Sequence[float], threads: int | None
) -> Iterator[Frame | None]:
    with open_media(path) as container:
        stream = best_video(container.streams)
        if stream is None:
            raise MediaError(f"{path}: has no video")
        use_threads(stream, threads)
        zero = origin(container)

        def begin(time: float | None) -> Iterator[av.Packet]:
            if time is not None and not seek(container, stream, Fraction(time) + zero):
                return iter(())
            return packets(container, stream)

        for region in regions(times):
            yield from decode_needed(stream, Clock(stream, zero), begin, region)


def regions(times: Sequence[float]) -> Iterator[Sequence[float]]:
    """Split the times at long gaps."""
    first = 0
    for index in range(1, len(times) + 1):
        if index == len(times) or times[index] - times[index - 1] > _FAR:
            yield times[first:index]
            first = index
