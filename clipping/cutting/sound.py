"""Make the sound of a cut, exact to the sample, by encoding it again.

Sound packets cannot be cut: a packet covers some 20 ms, and its window overlaps the next packet's
(MDCT codecs such as AAC, Opus, Vorbis), so at a packet's edge samples would be missing. Encoding
sound again is exact and costs little. The source's codec is used if the container takes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer, OutputContainer

from clipping.media.container import decode_packet, open_media, origin, packets, seek

_ENCODERS = {
    "aac": "aac",
    "ac3": "ac3",
    "alac": "alac",
    "eac3": "eac3",
    "flac": "flac",
    "mp2": "mp2",
    "mp3": "libmp3lame",
    "mp3float": "libmp3lame",
    "opus": "libopus",
    "truehd": "flac",
    "vorbis": "libopus",
}
"""Codec → encoder. PCM stays PCM; any other codec becomes the first of ``_FALLBACKS`` that fits."""
_FALLBACKS = ("aac", "libopus", "flac", "pcm_s16le")
_BITS_PER_CHANNEL = 96_000
"""Smallest bit rate of a lossy encoder, so that the second encoding is not heard."""
_PREROLL_SECONDS = 1
"""Seconds decoded before a cut. Decoders need earlier packets to give exact samples: 80 ms for Opus
(RFC 7845, section 4.6), some packets for MP3 (its bit reservoir)."""
_JITTER_SECONDS = 0.03
"""A timestamp that differs less than this from the count of samples is rounded, not a gap."""

_TYPES = {"u8p": "u1", "s16p": "i2", "s32p": "i4", "s64p": "i8", "fltp": "f4", "dblp": "f8"}

Seconds = tuple[Fraction, Fraction]


def add_sound(output: OutputContainer, source: av.AudioStream) -> tuple[av.AudioStream, str | None]:
    """Add a stream for the source's sound to the result; return it, and a note on a new codec.

    Raises:
        ValueError: if the container takes none of our encoders.
    """
    codec = source.codec_context.name
    first = codec if codec.startswith("pcm_") else _ENCODERS.get(codec, _FALLBACKS[0])
    for name in dict.fromkeys((first, *_FALLBACKS)):
        if name not in output.supported_codecs and name not in av.codecs_available:
            continue
        encoder = av.Codec(name, "w")
        try:
            stream = output.add_stream(name, rate=_rate(encoder, source.rate))
        except ValueError:  # the container does not take it
            continue
        assert isinstance(stream, av.AudioStream)
        context = stream.codec_context
        context.layout = _layout(name, source)
        taken = [each.name for each in encoder.audio_formats or []]
        wanted = source.codec_context.format.name
        context.format = next(
            (each for each in taken if each.rstrip("p") == wanted.rstrip("p")), taken[0]
        )
        context.bit_rate = max(source.bit_rate or 0, _BITS_PER_CHANNEL * source.channels)
        same = encoder.canonical_name == source.codec_context.codec.canonical_name
        return stream, None if same else f"sound became {encoder.canonical_name} (was {codec})"
    raise ValueError(f"{output.format.name} takes none of our sound encoders")


@dataclass(frozen=True)
class SoundFormat:
    """A format of decoded sound."""

    samples: str
    """FFmpeg's name of a planar sample format (``"fltp"``)."""
    layout: str
    """FFmpeg's name of the channels' layout (``"stereo"``)."""
    rate: int
    """Samples per second."""


def sound_packets(
    path: Path, index: int, spans: Sequence[Seconds], stream: av.AudioStream
) -> Iterator[av.Packet]:
    """The encoded sound of the spans (media time), one after the other, without drift."""
    context = stream.codec_context
    form = SoundFormat(context.format.planar.name, context.layout.name, context.rate)
    position = 0
    for block in samples(path, index, spans, form):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), form.samples, form.layout)
        frame.rate, frame.pts, frame.time_base = form.rate, position, Fraction(1, form.rate)
        position += block.shape[1]
        yield from stream.encode(frame)
    if position:
        yield from stream.encode(None)


def samples(
    path: Path, index: int, spans: Sequence[Seconds], form: SoundFormat
) -> Iterator[np.ndarray]:
    """The samples of the spans, one after the other, in blocks (channels, n).

    Gaps in the source become silence, except after its sound has ended in the last span.
    """
    length, written = Fraction(0), 0
    for number, (start, end) in enumerate(spans):
        length += end - start
        # Round the sum of all spans, not each: rounding errors would add up and sound would drift.
        count = round(length * form.rate) - written
        done = 0
        with closing(_decoded(path, index, start, form)) as blocks:
            for at, block in blocks:
                begin = max(0, done - at)
                block = block[:, begin : max(begin, count - at)]
                at += begin
                if at > done and block.size:
                    yield np.zeros((block.shape[0], at - done), block.dtype)
                if block.size:
                    yield block
                    done = at + block.shape[1]
                if done >= count:
                    break
        if done < count and number + 1 < len(spans):
            channels = av.AudioLayout(form.layout).nb_channels
            yield np.zeros((channels, count - done), _TYPES[form.samples])
            done = count
        written += done


def _decoded(
    path: Path, index: int, start: Fraction, form: SoundFormat
) -> Generator[tuple[int, np.ndarray]]:
    """(index of the first sample, samples (channels, n)) of each decoded block.

    Sample 0 is at ``start`` (media time), so early blocks have negative indices.
    """
    following: int | None = None
    with open_media(path) as container:
        zero = origin(container) + start
        source = container.streams[index]
        assert isinstance(source, av.AudioStream)
        for part in _converted(_frames(container, source, zero), form):
            if part.pts is None or part.time_base is None:
                continue
            at = round((part.pts * part.time_base - zero) * form.rate)
            if following is not None and abs(at - following) <= _JITTER_SECONDS * form.rate:
                at = following
            following = at + part.samples
            yield at, part.to_ndarray()


def _converted(frames: Iterable[av.AudioFrame], form: SoundFormat) -> Iterator[av.AudioFrame]:
    """Frames in the wanted format; the source's format may change on the way."""
    resampler, shape = None, None
    for frame in frames:
        if shape != (frame.format.name, frame.layout.name, frame.sample_rate):
            if resampler is not None:
                yield from filter(None, resampler.resample(None))
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            resampler = av.AudioResampler(form.samples, form.layout, form.rate)
        assert resampler is not None
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from filter(None, resampler.resample(None))


def _frames(
    container: InputContainer, source: av.AudioStream, start: Fraction
) -> Iterator[av.AudioFrame]:
    """Decoded frames from a little before ``start`` on.

    Args:
        start: seconds of the file's own timestamps.
    """
    # Do not seek to the very start: it may miss a packet with a negative timestamp, which only
    # fills the decoder (priming).
    begin = start - _PREROLL_SECONDS
    if source.time_base is not None and begin > (source.start_time or 0) * source.time_base:
        seek(container, source, begin)
    for packet in itertools.chain(packets(container, source), [None]):
        for frame in decode_packet(source, packet):
            if isinstance(frame, av.AudioFrame) and frame.pts is not None:
                yield frame


def _rate(encoder: av.Codec, rate: int) -> int:
    """The source's sample rate, or the next higher one that the encoder takes."""
    taken = sorted(encoder.audio_rates or [rate])
    return next((each for each in taken if each >= rate), taken[-1])


def _layout(encoder: str, source: av.AudioStream) -> str:
    """The name of the source's channel layout, as the encoder knows it."""
    layout = source.codec_context.layout
    # libopus only has Vorbis's layouts. Its 5.1 has the rear speakers at the back, not at the
    # sides; the order of the channels is the same.
    renamed = {"5.1(side)": "5.1"} if encoder == "libopus" else {}
    return renamed.get(layout.name, layout.name)
