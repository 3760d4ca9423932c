"""Read picture and sound of a region together, in one pass over the file.

The packets of a region are read in file order and handed out to the picture and to the sound. Each
second is returned before the next one is read, so memory does not grow with the region's length.
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
from clipping.media.probe import MediaInfo, probe_container
from clipping.media.sound import PREROLL, OutOfStep, sound_blocks

Second = tuple[Frame | None, np.ndarray]
"""The frame shown at a wanted time, and the samples from there to the next wanted time."""

_MAX_QUEUED_BYTES = 1 << 26
"""Most bytes of packets that wait for one stream while the other one is read."""


@contextmanager
def open_one_pass(path: Path | str, *, threads: int | None = None) -> Iterator[OnePass]:
    """Open a media file for :meth:`OnePass.seconds`.

    Args:
        threads: of the picture's decoder; None: one per core.

    Raises:
        MediaError: as :func:`clipping.media.container.open_media`.
    """
    path = Path(path)
    with translated(path), ExitStack() as stack:
        yield OnePass(path, stack, threads)


class OnePass:
    """An open media file whose regions are read one after another.

    Ask for a region at the start of the file first: anything else moves the position, and the file
    must be opened again to go back.
    """

    def __init__(self, path: Path, stack: ExitStack, threads: int | None) -> None:
        self.path, self._stack, self._threads = path, stack, threads
        self._info: MediaInfo | None = None
        self._at_start = self._sound_decoded = False
        self._open()

    @property
    def info(self) -> MediaInfo:
        """The result of :func:`clipping.media.probe.probe` for this file."""
        if self._info is None:
            self._at_start = False
            self._info = probe_container(self.path, self._container)
        return self._info

    def seconds(
        self,
        times: Sequence[float],
        *,
        end: float,
        rate: int = 22050,
        audio: int | str | None = None,
    ) -> Iterator[Second]:
        """Frame and sound at each of the ascending ``times``, in one pass over their region.

        The frames equal those of :func:`clipping.media.frames.frames_at`. All samples together
        equal those of :func:`clipping.media.sound.read_audio` from the first time to ``end``,
        without the zeros after the sound has ended. A file without sound gives no samples, one
        without picture None for each frame.

        Args:
            times: media times in seconds.
            end: media time, in seconds, at which the sound of the last second ends.
            rate: samples per second of the result.
            audio: index or language of the sound stream, as for ``read_audio``.

        Raises:
            MediaError: if a stream exists but nothing of it can be decoded.
        """
        if self._sound_decoded or (times[0] <= NEAR and not self._at_start):
            self._open()
            # A container and its streams refer to each other. Without this call the old decoder
            # and its pictures (220 MB for 10-bit 4K) would stay in memory until Python's collector
            # of such cycles runs by itself.
            gc.collect()
        self._at_start = False
        streams = self._container.streams
        video, sound = best_video(streams), None
        if any(map(is_sound, streams)):
            sound = choose_audio(self.path, self._container, audio)
            self._sound_decoded = True
        region = _Region(self.path, self._container, video, sound, times, self._threads)
        with closing(region.frames()) as frames:
            samples: _Samples | None = None
            ends = [round((time - times[0]) * rate) for time in (*times[1:], end)]
            for frame, until in zip(frames, ends, strict=True):
                if samples is None:  # only now: reading the first frame has done the seek
                    samples = _Samples(region.sound(rate, end))
                yield frame, samples.up_to(until)

    def _open(self) -> None:
        self._stack.close()
        self._container = self._stack.enter_context(open_media(self.path))
        self._at_start = True
        # Some sound decoders have a random state (AAC fills bands with noise). A decoder that was
        # used before would give samples that depend on what it decoded, so each region gets a new
        # one.
        self._sound_decoded = False
        for stream in filter(is_picture, self._container.streams):
            use_threads(stream, self._threads)


class _Region:
    """Picture and sound of one stretch of a container.

    Both share the packets of one reading. If one of them cannot (``NeedsAllFrames``,
    ``OutOfStep``), it reads the file once more by itself, the plain way.
    """

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
        """The frame of each wanted time, in order."""
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
        """The mono samples of the region, in blocks."""
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
        """The picture's packets from a keyframe on that also lies early enough for the sound."""
        assert self._video is not None
        if time is not None:
            early = Fraction(time) - 2 * PREROLL + origin(self._container)
            if not seek(self._container, self._video, early):
                return iter(())
        streams = [stream for stream in (self._video, self._sound) if stream is not None]
        self._feed = _Feed(self._container, streams)
        return self._feed.of(self._video)


class _Feed:
    """Hands the packets of a container out to the readers of its streams."""

    def __init__(self, container: InputContainer, streams: Sequence[av.stream.Stream]) -> None:
        self._packets = packets(container, *streams)
        self._queues: dict[int, deque[av.Packet]] = {stream.index: deque() for stream in streams}
        self._queued_bytes = 0

    def of(self, stream: av.stream.Stream) -> Iterator[av.Packet]:
        """The packets of one stream; packets of the other streams wait in their queues.

        Raises:
            NeedsAllFrames: to the reader of the picture, if too many packets of the sound wait.
            OutOfStep: to the reader of the sound, if too many packets of the picture wait.
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
        """Drop the packets that wait for a stream, and keep no more for it."""
        queue = self._queues.pop(stream.index, deque())
        self._queued_bytes -= sum(packet.size + PACKET_BYTES for packet in queue)


class _Samples:
    """Cuts a sequence of sample blocks into blocks of other lengths."""

    def __init__(self, blocks: Iterator[np.ndarray]) -> None:
        self._blocks, self._rest, self._done = blocks, np.zeros(0, np.float32), 0

    def up_to(self, end: int) -> np.ndarray:
        """The samples from the end of the last call to sample ``end``; fewer if the sound ends."""
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
