"""The sound of a media file as mono samples, placed by timestamps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from clipping.errors import MediaError
from clipping.media.container import (
    MAX_JUMP,
    MAX_SAMPLE_RATE,
    best_video,
    choose_audio,
    decode,
    open_media,
    origin,
    packets,
    seek,
    tick,
    translated,
)

LONGEST = 12 * 3600.0
"""Seconds that are read at once at most: the result is held in memory (3.8 GB at 22050 Hz)."""

PREROLL = Fraction(1)
"""Seconds decoded before the wanted start: codecs need earlier packets (Opus 80 ms, MP3 0.3 s)."""


class OutOfStep(Exception):
    """Packets that are shared with the picture do not reach back or on as the sound needs."""


_JITTER = Fraction(15, 1000)
"""Seconds that a timestamp may be off the count of samples before it is believed.

Containers round timestamps (Matroska to 1 ms); a lost packet of any common codec is longer."""

_GATHERED_SAMPLES = 1 << 14

_OTHER_RATE = 5.0
"""Seconds of another sample rate in mid stream that are taken for damage."""

_MANY = 8
"""From so many planar channels on, PyAV 18.1 reads beyond the planes, and 19.0 fails."""

_SAMPLES: dict[str, tuple[type[np.generic], float]] = {
    "u8": (np.uint8, 2.0**7),
    "s16": (np.int16, 2.0**15),
    "s32": (np.int32, 2.0**31),
    "s64": (np.int64, 2.0**63),
    "flt": (np.float32, 1.0),
    "dbl": (np.float64, 1.0),
}
"""FFmpeg's sample formats: type and full scale."""


_ANCHORED = 0.5
"""Seconds behind sample 0 whose timestamps still count for its place."""


def read_audio(
    path: Path | str,
    *,
    rate: int = 22050,
    start: float = 0.0,
    end: float | None = None,
    stream: int | str | None = None,
) -> np.ndarray:
    """The sound of ``[start, end)`` as float32 mono samples in about -1..1.

    Mono is the mean of the decoded channels (like ``librosa.to_mono``), resampled by soxr HQ
    (like ``librosa.resample``): a window's samples are cut out at the stream's own rate first, so
    the result equals librosa's on that window. Sample 0 is the stream's sample nearest to
    ``start``. Samples are placed by PTS, as exactly as the container stores it: zeros fill the
    time before the sound starts and any gap, overlaps are cut, encoder padding is left out.

    Args:
        rate: samples per second of the result.
        end: seconds of media time; given, the result has exactly ``round((end - start) * rate)``
            samples, with zeros after the sound has ended; None: until the sound ends.
        stream: index or language (``"jpn"``) of the sound stream; None: the default one.

    Raises:
        MediaError: where the file cannot be read, has no such stream, or nothing of it decodes.
        ValueError: for a rate or a span that makes no sense.
    """
    if not 0 < rate <= MAX_SAMPLE_RATE:
        raise ValueError(f"a sample rate is 1..{MAX_SAMPLE_RATE} Hz, got {rate}")
    if not (start >= 0 and (end is None or start <= end <= start + LONGEST)):
        raise ValueError(
            f"0 <= start <= end <= start + {LONGEST:.0f} s is needed, got {start} and {end}"
        )
    path = Path(path)
    duration = None if end is None else end - start
    with translated(path), open_media(path) as container:
        sound = choose_audio(path, container, stream)
        blocks = sound_blocks(path, container, sound, rate=rate, start=start, duration=duration)
        if duration is None:
            return np.concatenate([*blocks, np.zeros(0, np.float32)])
        samples = np.zeros(round(duration * rate), np.float32)
        done = 0
        for block in blocks:
            block = block[: len(samples) - done]
            samples[done : done + len(block)] = block
            done += len(block)
    return samples


def sound_blocks(
    path: Path,
    container: InputContainer,
    stream: av.AudioStream,
    *,
    rate: int,
    start: float,
    duration: float | None,
    shared: Iterator[av.Packet] | None = None,
) -> Iterator[np.ndarray]:
    """What :func:`read_audio` returns, block by block, until the sound or ``duration`` ends.

    Args:
        shared: packets of the stream that begin ``PREROLL`` s before ``start`` or earlier, where
            somebody else reads the container; None: seek and read in it.

    Raises:
        OutOfStep: where the shared packets begin too late.
        MediaError: where nothing of the stream decodes.
    """
    source = _Source(path, container, stream, Fraction(start), shared)
    return _resampled(source, rate, duration)


class _Source:
    """The decoded blocks of a sound stream, counted from the sample nearest to ``start``."""

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        stream: av.AudioStream,
        start: Fraction,
        shared: Iterator[av.Packet] | None,
    ) -> None:
        self.path, self._container, self._stream = path, container, stream
        self._zero, self._tick = start + origin(container), tick(stream)
        self._far_back = math.floor((self._zero - PREROLL) / self._tick)
        far = start > 2 * PREROLL
        # Twice as far back: MPEG's first packets after a seek may be torn or carry wrong times.
        back = self._zero - 2 * PREROLL
        if shared is None and far and not seek(container, _indexed(container, stream), back):
            seek(container, stream, Fraction(0))
        found = packets(container, stream) if shared is None else shared
        # What a seek finds may lie far back, and differs with who seeks.
        near = itertools.dropwhile(self._is_far_back, found) if far else found
        self._frames = self._decoded(near)
        first = next(self._frames, None)
        late = first is None or Fraction(first.pts or 0) * self._tick > self._zero
        if shared is not None and (first is None or (far and late)):
            raise OutOfStep
        if start > 0 and late:
            # The seek missed, or what lies at the start is damaged, silent or past the end.
            first = self._from_the_beginning()
        if first is None:
            raise MediaError(f"{path}: nothing of its sound can be decoded")
        self._first = first
        self.rate: int = first.sample_rate
        self._jitter = float(_JITTER * self.rate)
        # A timestamp's sample is (pts * a - b) / c in whole numbers: Fractions are slow.
        self._c = (self._tick * self.rate).denominator * (self._zero * self.rate).denominator
        self._a = int(self._tick * self.rate * self._c)
        self._b = int(self._zero * self.rate * self._c)

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """(index of its first sample, mono float32) in order, without overlap; may start < 0."""
        held, count = self._anchor()
        other = 0.0
        for frame in itertools.chain(held, self._frames):
            if frame.sample_rate != self.rate:
                other += frame.samples / frame.sample_rate
                if other > _OTHER_RATE:
                    raise MediaError(
                        f"{self.path}: the sound changes from {self.rate} to {frame.sample_rate} "
                        "Hz in mid stream; convert it to one rate first"
                    )
                continue
            told = self._index(frame)
            if told is not None and told - count > MAX_JUMP * self.rate:
                continue
            mono = _to_mono(frame)
            if told is not None and abs(told - count) > self._jitter:
                mono = mono[max(0, count - round(told)) :]
                count = max(count, round(told))
            yield count, mono
            count += len(mono)

    def _anchor(self) -> tuple[list[av.AudioFrame], int]:
        """The first frames, past the one that reaches sample 0, and the index of the first.

        That index is the mean of what their timestamps say: Matroska rounds each to 1 ms, and a
        reading from the beginning must agree with one behind a seek.
        """
        held: list[av.AudioFrame] = []
        said: list[float] = []
        count = 0
        for frame in itertools.chain([self._first], self._frames):
            told = self._index(frame)
            if told is not None and said and abs(told - count - said[0]) > self._jitter:
                if count + said[0] > 0:  # a gap behind the anchor: that has its own place
                    held.append(frame)
                    break
                held, said, count = [], [], 0  # what came before the gap is not needed
            if told is not None:
                said.append(told - count)
            held.append(frame)
            count += frame.samples
            if count + (said[0] if said else 0) > _ANCHORED * self.rate:
                break
        return held, round(sum(said) / len(said)) if said else 0

    def _index(self, frame: av.AudioFrame) -> float | None:
        if frame.pts is None:
            return None
        return (frame.pts * self._a - self._b) / self._c

    def _is_far_back(self, packet: av.Packet) -> bool:
        """Whether a packet lies before the preroll, or does not say where it lies."""
        if packet.pts is None:
            return True
        return packet.pts + (packet.duration or 0) <= self._far_back

    def _decoded(self, source: Iterator[av.Packet]) -> Iterator[av.AudioFrame]:
        for packet in source:
            yield from decode(self._stream, packet)
        yield from decode(self._stream, None)

    def _from_the_beginning(self) -> av.AudioFrame | None:
        seek(self._container, self._stream, Fraction(0))
        self._frames = self._decoded(packets(self._container, self._stream))
        return next(self._frames, None)


def _indexed(container: InputContainer, stream: av.AudioStream) -> av.stream.Stream:
    """The stream to seek by: Matroska lists the places of pictures only, and a seek by a sound that
    is not listed reads the file up to there."""
    if "matroska" not in container.format.name:
        return stream
    return best_video(container.streams) or stream


def _resampled(source: _Source, rate: int, duration: float | None) -> Iterator[np.ndarray]:
    """Blocks of the result from sample 0 on; they end with the sound or with ``duration``."""
    import soxr

    if rate == source.rate:
        yield from _placed(source, duration)
        return
    stream = soxr.ResampleStream(source.rate, rate, 1, dtype="float32", quality="HQ")
    for block in _gathered(_placed(source, duration)):
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _gathered(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Fewer and longer blocks: a packet's thousand samples cost more by the call than by length."""
    parts: list[np.ndarray] = []
    count = 0
    for block in blocks:
        parts.append(block)
        count += len(block)
        if count >= _GATHERED_SAMPLES:
            yield np.concatenate(parts)
            parts, count = [], 0
    if parts:
        yield np.concatenate(parts)


def _placed(source: _Source, duration: float | None) -> Iterator[np.ndarray]:
    """Blocks of the source from its sample 0 on without gap, up to ``duration``."""
    total = round((LONGEST if duration is None else duration) * source.rate)
    done = 0
    for index, block in source.blocks():
        if duration is None and index + len(block) > total:
            raise MediaError(
                f"{source.path}: has over {LONGEST:.0f} s of sound; give start and end"
            )
        if index >= total:
            break
        if index > done:
            yield from _silence(index - done)
            done = index
        block = block[done - index : total - index]
        if len(block):
            yield block
            done += len(block)
        if done >= total:
            break


def _silence(count: int) -> Iterator[np.ndarray]:
    """``count`` zeros in blocks of bounded size."""
    block = np.zeros(min(count, 1 << 16), np.float32)
    while count > 0:
        yield block[:count]
        count -= len(block[:count])


def _to_mono(frame: av.AudioFrame) -> np.ndarray:
    """The mean over the channels of a decoded block, float32 in about -1..1."""
    dtype, full_scale = _SAMPLES[frame.format.packed.name]
    channels = frame.layout.nb_channels
    if frame.format.is_planar and channels >= _MANY:
        packer = av.AudioResampler(frame.format.packed.name, frame.layout, frame.sample_rate)
        (frame,) = packer.resample(frame)
    if frame.format.is_planar:
        planes = [np.frombuffer(memoryview(p), dtype, frame.samples) for p in frame.planes]
    else:
        packed = np.frombuffer(memoryview(frame.planes[0]), dtype, frame.samples * channels)
        planes = list(packed.reshape(-1, channels).T)
    mono = _in_floats(planes[0], dtype, full_scale)
    for plane in planes[1:]:
        mono = mono + _in_floats(plane, dtype, full_scale)
    return mono / np.float32(channels)


def _in_floats(plane: np.ndarray, dtype: type[np.generic], full_scale: float) -> np.ndarray:
    if dtype is np.float32:
        return plane
    if dtype is np.uint8:
        plane = plane - 128.0
    return (plane / full_scale).astype(np.float32)
