"""Picture and sound of a region from one reading of the file, opened once.

A region's packets are read in the order of the file and dealt to the picture and the sound. Each
second is handed over before the next one is read, so memory does not grow with the length.
"""

from __future__ import annotations

import gc
import itertools
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from clipping.media.container import (
    PACKET_BYTES,
    best_video,
    choose_audio,
    is_picture,
    is_sound,
    open_media,
    origin,
    packets,
    seek,
    translated,
)
from clipping.media.decode_needed import NEAR, NeedsAllFrames, decode_needed
from clipping.media.frames import decode_all
from clipping.media.picture import Clock, Frame, use_threads
from clipping.media.probe import MediaInfo, describe
from clipping.media.sound import PREROLL, OutOfStep, sound_blocks

Second = tuple[Frame | None, np.ndarray]
"""The frame shown at a wanted time, and the samples from it to the next wanted time."""

_MAX_QUEUED_BYTES = 1 << 26


@contextmanager
def open_scan(path: Path | str, *, threads: int | None = None) -> Iterator[OnePass]:
    """Open a media file for :meth:`OnePass.seconds`.

    Args:
        threads: of the picture's decoder; None: one a core.

    Raises:
        MediaError: as :func:`clipping.media.container.open_media`.
    """
    path = Path(path)
    with translated(path), ExitStack() as stack:
        yield OnePass(path, stack, threads)


class OnePass:
    """An open media file. A region at its start is cheapest before anything else is asked."""

    def __init__(self, path: Path, stack: ExitStack, threads: int | None) -> None:
        self.path, self._stack, self._threads = path, stack, threads
        self._info: MediaInfo | None = None
        self._fresh = self._heard = False
        self._open()

    @property
    def info(self) -> MediaInfo:
        """What :func:`clipping.media.probe` says of the file."""
        if self._info is None:
            self._fresh = False
            self._info = describe(self.path, self._container)
        return self._info

    def seconds(
        self,
        times: Sequence[float],
        *,
        end: float,
        rate: int = 22050,
        audio: int | str | None = None,
    ) -> Iterator[Second]:
        """Frame and sound at each of the ascending ``times`` from one pass over their region.

        The frames are those of :func:`clipping.media.frames.frames_at`; all samples together are
        those of :func:`clipping.media.sound.read_audio` from the first time to ``end``, less the
        zeros after the sound has ended. No samples where there is no sound, no frames where no
        picture.

        Args:
            end: seconds of media time up to which the sound is wanted.
            rate, audio: as for ``read_audio``.

        Raises:
            MediaError: where nothing can be decoded of a stream that is there.
        """
        if self._heard or (times[0] <= NEAR and not self._fresh):
            self._open()
            # A container and its streams hold each other: the last decoder and its pictures,
            # 220 MB of 10-bit 4K, would stay until Python happens to look for such rings.
            gc.collect()
        self._fresh = False
        streams = self._container.streams
        video, sound = best_video(streams), None
        if any(map(is_sound, streams)):
            sound = choose_audio(self.path, self._container, audio)
            self._heard = True
        region = _Region(self.path, self._container, video, sound, times, self._threads)
        with closing(region.frames()) as frames:
            samples: _Samples | None = None
            ends = [round((time - times[0]) * rate) for time in (*times[1:], end)]
            for frame, until in zip(frames, ends, strict=True):
                if samples is None:  # after the first frame: it has found where to begin
                    samples = _Samples(region.sound(rate, end))
                yield frame, samples.up_to(until)

    def _open(self) -> None:
        self._stack.close()
        self._container = self._stack.enter_context(open_media(self.path))
        self._fresh = True
        # Sound decoders carry a random state on (AAC's noise substitution): one that was used
        # would give samples that hang on what was read before.
        self._heard = False
        for stream in filter(is_picture, self._container.streams):
            use_threads(stream, self._threads)


class _Region:
    """Picture and sound of one stretch of a container, each in the plain way where it must."""

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        video: av.VideoStream | None,
        sound: av.AudioStream | None,
        times: Sequence[float],
        threads: int | None,
    ) -> None:
        self._path, self._container, self._times = path, container, times
        self._video, self._sound, self._threads = video, sound, threads
        self._feed: _Feed | None = None

    def frames(self) -> Generator[Frame | None]:
        """One for each time."""
        if self._video is None:
            yield from itertools.repeat(None, len(self._times))
            return
        clock, done = Clock(self._video, origin(self._container)), 0
        try:
            for frame in decode_needed(self._video, clock, self._begin, self._times):
                yield frame
                done += 1
        except NeedsAllFrames:
            if self._feed is not None:
                self._feed.forget(self._video)
            yield from itertools.islice(
                decode_all(self._path, self._times, self._threads), done, None
            )

    def sound(self, rate: int, end: float) -> Iterator[np.ndarray]:
        """The samples in blocks."""
        if self._sound is None:
            return
        done = 0
        try:
            shared = self._feed.of(self._sound) if self._feed is not None else None
            if shared is None and self._video is not None:
                raise OutOfStep
            for block in self._blocks(self._container, rate, end, shared):
                yield block
                done += len(block)
        except OutOfStep:
            if self._feed is not None:
                self._feed.forget(self._sound)
            with open_media(self._path) as container:
                for block in self._blocks(container, rate, end, None):
                    yield block[done:]
                    done -= min(done, len(block))

    def _blocks(
        self, container: InputContainer, rate: int, end: float, shared: Iterator[av.Packet] | None
    ) -> Iterator[np.ndarray]:
        assert self._sound is not None
        stream = container.streams[self._sound.index]
        assert isinstance(stream, av.AudioStream)
        start = self._times[0]
        return sound_blocks(
            self._path,
            container,
            stream,
            rate=rate,
            start=start,
            duration=end - start,
            shared=shared,
        )

    def _begin(self, time: float | None) -> Iterator[av.Packet]:
        """The picture's packets from a keyframe on, early enough for the sound too."""
        assert self._video is not None
        if time is not None:
            early = Fraction(time) - 2 * PREROLL + origin(self._container)
            if not seek(self._container, self._video, early):
                return iter(())
        streams = [stream for stream in (self._video, self._sound) if stream is not None]
        self._feed = _Feed(self._container, streams)
        return self._feed.of(self._video)


class _Feed:
    """The packets of a container, dealt to those who read its streams."""

    def __init__(self, container: InputContainer, streams: Sequence[av.stream.Stream]) -> None:
        self._packets = packets(container, *streams)
        self._queues: dict[int, deque[av.Packet]] = {stream.index: deque() for stream in streams}
        self._queued_bytes = 0

    def of(self, stream: av.stream.Stream) -> Iterator[av.Packet]:
        """The packets of one stream; those of the others are kept for them.

        Raises:
            Unplannable, OutOfStep: to the picture or the sound, where the other one lies so far
                behind in the file that too much would have to be kept.
        """
        queue = self._queues[stream.index]
        while True:
            if queue:
                packet = queue.popleft()
                self._queued_bytes -= packet.size + PACKET_BYTES
                yield packet
                continue
            if self._queued_bytes > _MAX_QUEUED_BYTES:
                raise NeedsAllFrames("no sound near it") if is_picture(stream) else OutOfStep
            following = next(self._packets, None)
            if following is None:
                return
            if following.stream_index == stream.index:
                yield following
            elif following.stream_index in self._queues:
                self._queues[following.stream_index].append(following)
                self._queued_bytes += following.size + PACKET_BYTES

    def forget(self, stream: av.stream.Stream) -> None:
        """Keep nothing for a stream any more."""
        queue = self._queues.pop(stream.index, deque())
        self._queued_bytes -= sum(packet.size + PACKET_BYTES for packet in queue)


class _Samples:
    """Blocks of samples, cut anew."""

    def __init__(self, blocks: Iterator[np.ndarray]) -> None:
        self._blocks, self._rest, self._done = blocks, np.zeros(0, np.float32), 0

    def up_to(self, end: int) -> np.ndarray:
        """The samples from the last call's end to sample ``end``; fewer where the sound ends."""
        parts, missing = [], end - self._done
        while missing > 0:
            if not len(self._rest):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._rest = block
            parts.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(parts[-1])
        samples = np.concatenate([*parts, np.zeros(0, np.float32)])
        self._done += len(samples)
        return samples
