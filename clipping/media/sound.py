"""Read the sound of a media file as mono samples, placed by their timestamps.

Three steps: decode blocks and give each the index of its first sample (``_Source``), fill gaps with
zeros and cut to the wanted span (``_placed``), resample (``_resampled``).
"""

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
    decode_packet,
    open_media,
    origin,
    packets,
    seek,
    tick,
    translated,
)

LONGEST = 12 * 3600.0
"""Longest span, in seconds, of one call: its result is held in memory (3.8 GB at 22050 Hz)."""

PREROLL = Fraction(1)
"""Seconds decoded before the wanted start, because a decoder needs earlier packets to give exact
samples: 80 ms for Opus (RFC 7845, section 4.6), 0.3 s for MP3 (its bit reservoir)."""


class OutOfStep(Exception):
    """The packets shared with the picture begin too late, or end too early, for the sound."""


_JITTER = Fraction(15, 1000)
"""Seconds by which a timestamp may differ from the count of samples and still be ignored.

Containers round timestamps (Matroska to 1 ms), so small differences are rounding. A larger one is a
gap: one lost packet of any common codec is longer than this."""

_CHUNK_SAMPLES = 1 << 14
"""Smallest number of samples that is given to the resampler at once."""

_OTHER_RATE = 5.0
"""Seconds of another sample rate in mid stream that are skipped as damage; more are an error."""

_MANY = 8
"""Planar channels from which PyAV 18.1 reads beyond its planes and 19.0 fails; these are packed
first."""

_SAMPLES: dict[str, tuple[type[np.generic], float]] = {
    "u8": (np.uint8, 2.0**7),
    "s16": (np.int16, 2.0**15),
    "s32": (np.int32, 2.0**31),
    "s64": (np.int64, 2.0**63),
    "flt": (np.float32, 1.0),
    "dbl": (np.float64, 1.0),
}
"""FFmpeg's sample formats: NumPy type, and the value that becomes 1.0."""


_ANCHORED = 0.5
"""Seconds after sample 0 whose timestamps are averaged to place it."""


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
    (like ``librosa.resample``). The span is cut out at the stream's own rate before resampling, so
    the result equals librosa's on that span. Sample 0 is the stream's sample nearest to ``start``.
    Samples are placed by PTS, as exactly as the container stores it: zeros fill the time before
    the sound starts and any gap, overlaps are cut, encoder padding is left out.

    Args:
        rate: samples per second of the result.
        start: media time in seconds.
        end: media time in seconds. If it is given, the result has exactly
            ``round((end - start) * rate)`` samples, with zeros after the sound has ended; None:
            read until the sound ends.
        stream: index or language (``"jpn"``) of the sound stream; None: the default one.

    Raises:
        MediaError: if the file cannot be read, has no such stream, or nothing of it decodes.
        ValueError: for a rate outside 1..768000 Hz, or a span that is negative or over 12 hours.
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
    """The samples of :func:`read_audio`, block by block, until the sound or ``duration`` ends.

    Args:
        shared: packets of the stream, from ``PREROLL`` seconds before ``start`` or earlier, if
            the caller reads the container itself; None: seek and read in ``container``.

    Raises:
        OutOfStep: if the shared packets begin too late.
        MediaError: if nothing of the stream decodes.
    """
    source = _Source(path, container, stream, Fraction(start), shared)
    return _resampled(source, rate, duration)


class _Source:
    """Decodes a sound stream in blocks; sample 0 is the one nearest to ``start``."""

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
        # Seek twice as far back as needed: the first packets after a seek in MPEG streams may be
        # incomplete or have wrong timestamps.
        back = self._zero - 2 * PREROLL
        if shared is None and far and not seek(container, _indexed(container, stream), back):
            seek(container, stream, Fraction(0))
        found = packets(container, stream) if shared is None else shared
        # A seek may end much earlier than asked (and elsewhere when the picture's reader did it).
        # Skip up to the preroll, so that the samples do not depend on where it ended.
        near = itertools.dropwhile(self._is_far_back, found) if far else found
        self._frames = self._decoded(near)
        first = next(self._frames, None)
        is_late = first is None or Fraction(first.pts or 0) * self._tick > self._zero
        if shared is not None and (first is None or (far and is_late)):
            raise OutOfStep
        if start > 0 and is_late:
            # The seek failed, or there is no sound at ``start`` (damage, a gap, past the end).
            first = self._from_the_beginning()
        if first is None:
            raise MediaError(f"{path}: nothing of its sound can be decoded")
        self._first = first
        self.rate: int = first.sample_rate
        self._jitter = float(_JITTER * self.rate)
        # The sample index of a timestamp is (pts * tick - zero) * rate. Written with integers as
        # (pts * a - b) / c, because Fractions are slow.
        self._c = (self._tick * self.rate).denominator * (self._zero * self.rate).denominator
        self._a = int(self._tick * self.rate * self._c)
        self._b = int(self._zero * self.rate * self._c)

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """(index of the block's first sample, mono float32 samples), in order, without overlap.

        The first index may be negative: a block that begins before sample 0.
        """
        # Consecutive blocks are counted on from the anchor. A timestamp replaces the count only
        # if the two differ by more than rounding can explain.
        held, count = self._anchor()
        other_rate_seconds = 0.0
        for frame in itertools.chain(held, self._frames):
            if frame.sample_rate != self.rate:
                other_rate_seconds += frame.samples / frame.sample_rate
                if other_rate_seconds > _OTHER_RATE:
                    raise MediaError(
                        f"{self.path}: the sound changes from {self.rate} to {frame.sample_rate} "
                        "Hz in mid stream; convert it to one rate first"
                    )
                continue
            index = self._index_by_pts(frame)
            if index is not None and index - count > MAX_JUMP * self.rate:
                continue
            mono = _to_mono(frame)
            if index is not None and abs(index - count) > self._jitter:
                # An overlap loses its first samples; after a gap the count goes on later.
                mono = mono[max(0, count - round(index)) :]
                count = max(count, round(index))
            yield count, mono
            count += len(mono)

    def _anchor(self) -> tuple[list[av.AudioFrame], int]:
        """Read the first frames, up to a little after sample 0; return them and the first's index.

        Each timestamp gives one estimate of that index, and their mean is returned. Matroska
        rounds each timestamp to 1 ms; with the mean, a reading from the beginning of the file and
        one after a seek place the same samples alike.
        """
        held: list[av.AudioFrame] = []
        estimates: list[float] = []
        count = 0
        for frame in itertools.chain([self._first], self._frames):
            index = self._index_by_pts(frame)
            if index is not None and estimates and abs(index - count - estimates[0]) > self._jitter:
                if count + estimates[0] > 0:  # a gap after sample 0: ``blocks`` places this frame
                    held.append(frame)
                    break
                held, estimates, count = [], [], 0  # a gap before it: earlier frames are not needed
            if index is not None:
                estimates.append(index - count)
            held.append(frame)
            count += frame.samples
            if count + (estimates[0] if estimates else 0) > _ANCHORED * self.rate:
                break
        return held, round(sum(estimates) / len(estimates)) if estimates else 0

    def _index_by_pts(self, frame: av.AudioFrame) -> float | None:
        """The index of a frame's first sample by its timestamp; None if it has none."""
        if frame.pts is None:
            return None
        return (frame.pts * self._a - self._b) / self._c

    def _is_far_back(self, packet: av.Packet) -> bool:
        """True if a packet ends before the preroll, or has no timestamp."""
        if packet.pts is None:
            return True
        return packet.pts + (packet.duration or 0) <= self._far_back

    def _decoded(self, source: Iterator[av.Packet]) -> Iterator[av.AudioFrame]:
        for packet in source:
            yield from decode_packet(self._stream, packet)
        yield from decode_packet(self._stream, None)

    def _from_the_beginning(self) -> av.AudioFrame | None:
        seek(self._container, self._stream, Fraction(0))
        self._frames = self._decoded(packets(self._container, self._stream))
        return next(self._frames, None)


def _indexed(container: InputContainer, stream: av.AudioStream) -> av.stream.Stream:
    """The stream to seek by, in place of a sound stream.

    Matroska's index (Cues) usually lists only pictures. A seek by a stream that is not listed would
    read the file up to there.
    """
    if "matroska" not in container.format.name:
        return stream
    return best_video(container.streams) or stream


def _resampled(source: _Source, rate: int, duration: float | None) -> Iterator[np.ndarray]:
    """Blocks of the result from sample 0 on, at ``rate``; they end with the sound or ``duration``.

    One resampler runs through all blocks, so that their joints cannot be heard.
    """
    import soxr

    if rate == source.rate:
        yield from _placed(source, duration)
        return
    stream = soxr.ResampleStream(source.rate, rate, 1, dtype="float32", quality="HQ")
    for block in _in_chunks(_placed(source, duration)):
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _in_chunks(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Join short blocks: for a packet's thousand samples the call costs more than the work."""
    parts: list[np.ndarray] = []
    count = 0
    for block in blocks:
        parts.append(block)
        count += len(block)
        if count >= _CHUNK_SAMPLES:
            yield np.concatenate(parts)
            parts, count = [], 0
    if parts:
        yield np.concatenate(parts)


def _placed(source: _Source, duration: float | None) -> Iterator[np.ndarray]:
    """Blocks of the source from its sample 0 on, gaps filled with zeros, up to ``duration``."""
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
    """``count`` zeros, in blocks of bounded size: a hostile gap must not take much memory."""
    block = np.zeros(min(count, 1 << 16), np.float32)
    while count > 0:
        yield block[:count]
        count -= len(block[:count])


def _to_mono(frame: av.AudioFrame) -> np.ndarray:
    """The mean over the channels of a decoded block: float32 (samples,) in about -1..1."""
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
