"""Make the picture stream of a cut: copy packets where planned, encode the rest to match them.

The hard part is one stream with pictures of two encoders: the source's and ours. A decoder needs
the right parameter sets (SPS, PPS) for each picture. In H.264 our encoder gets a number that the
source does not use, and the header holds the sets of both. In HEVC (x265) the number cannot be
chosen, so the sets are repeated before each keyframe and replace each other there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import av
from av.codec.context import Flags

from clipping.cutting.plan import CutPart, CutSpan
from clipping.cutting.source import Picture, frames_from, open_stream, packet_pts, packets_from
from clipping.errors import ClippingError, MediaError
from clipping.media import nal
from clipping.media.container import open_media

ENCODERS = {
    "av1": "libsvtav1",
    "h264": "libx264",
    "hevc": "libx265",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
}
"""Codec → encoder for pictures that are encoded again; other codecs become H.264."""
FALLBACK = "libx264"
JOINABLE = ("h264", "hevc", "vp8", "vp9")
"""Codecs whose streams may hold pictures of two encoders."""
# High quality, near the source's: these parts are short, and later cuts may encode them again.
_QUALITY = {
    "libsvtav1": {"preset": "8", "crf": "20"},
    "libvpx": {"deadline": "good", "cpu-used": "4", "crf": "6", "b": "8M"},
    "libvpx-vp9": {"deadline": "good", "cpu-used": "4", "crf": "20", "b": "0", "row-mt": "1"},
    "libx264": {"preset": "medium", "crf": "17"},
    "libx265": {
        "preset": "medium",
        "crf": "18",
        "x265-params": "log-level=none:repeat-headers=1:open-gop=0",
    },
}
_PROFILES = {"Baseline": "baseline", "Constrained Baseline": "baseline", "Main": "main"}
"""H.264 profiles to ask for, since they forbid some tools; x264 chooses others by pixel format."""


class SpliceError(ClippingError):
    """Copied and encoded pictures cannot be put into one stream, or the result is wrong."""


class VideoPacket(NamedTuple):
    """A packet of the result; times in the source's ticks, from the start of the result."""

    pts: int
    dts: int
    duration: int
    keyframe: bool
    data: bytes


@dataclass(frozen=True)
class _Splice:
    """The settings for pictures of two encoders in one stream."""

    length_size: int
    """Bytes of the length before each NAL unit of the source; see :mod:`clipping.media.nal`."""
    sets: list[bytes]
    """The source's parameter sets."""
    options: dict[str, str]
    """Encoder options that give the new parameter sets a number of their own."""


def joined(
    picture: Picture, spans: Sequence[CutSpan]
) -> tuple[bytes | None, Iterator[VideoPacket]]:
    """The packets of the spans, one span after the other, copied and encoded as planned.

    The encoded parts are held in memory; they are at most a group of pictures long.

    Returns:
        The parameter sets for the stream's header (with start codes, Annex B), or None if the
        source's header is kept; and the packets.

    Raises:
        SpliceError: if copied and encoded pictures cannot be put into one stream.
    """
    # A single copied part needs no change to its packets.
    plain = len(spans) == 1 and len(spans[0].parts) == 1 and spans[0].parts[0].copy is not None
    splice = None if plain or picture.codec not in nal.SPLICEABLE else _splice(picture)
    made: dict[CutPart, list[VideoPacket]] = {}
    sets = list(splice.sets) if splice else []
    for span, offset in _offsets(spans):
        for part in span.parts:
            if part.copy is None:
                context = _new_encoder(picture, splice.options if splice else {})
                frames = _frames(picture, span, part, offset)
                made[part] = list(_encode(context, frames, _durations(span, offset)))
                if picture.codec == "h264":
                    sets += nal.parameter_sets("h264", context.extradata or b"")
    times = [
        pts
        for span, offset in _offsets(spans)
        for part in span.parts
        for pts in (
            [packet.pts for packet in made[part]]
            if part.copy is None
            else [mark.pts - span.start + offset for mark in span.copied(part)]
        )
    ]

    def packets() -> Iterator[VideoPacket]:
        dts = iter(decoding_times(times))
        for span, offset in _offsets(spans):
            for part in span.parts:
                follows = part.start - span.start + offset > 0
                copied = part.copy is not None
                found = (
                    _copy(picture, span, part, offset, splice, follows) if copied else made[part]
                )
                yield from (packet._replace(dts=next(dts)) for packet in found)

    return (nal.annex_b(dict.fromkeys(sets)) if sets else None), packets()


def encode_all(
    context: av.VideoCodecContext, picture: Picture, spans: Sequence[CutSpan]
) -> Iterator[VideoPacket]:
    """The packets of the spans, one after the other, with every picture encoded again.

    Args:
        context: the encoder, set up by :func:`configure`.
    """
    durations: dict[int, int] = {}
    for span, offset in _offsets(spans):
        durations |= _durations(span, offset)
    frames = itertools.chain.from_iterable(
        _frames(picture, span, CutPart(span.start, span.end), offset)
        for span, offset in _offsets(spans)
    )
    return _encode(context, frames, durations)


def decoding_times(times: Sequence[int]) -> list[int]:
    """Rising decoding times (DTS) for packets in decoding order; none is later than its showing.

    Args:
        times: when each packet is shown (PTS), in decoding order.
    """
    shown = sorted(times)
    rank = {pts: place for place, pts in enumerate(shown)}
    # The packet decoded as number k is shown as number rank[pts]. If some packet is decoded d
    # places after its place in the order of showing, all decoding must run d pictures ahead. So
    # take the sorted times of showing, delayed by the largest such d, and put d earlier times
    # before them.
    delay = max((place - rank[pts] for place, pts in enumerate(times)), default=0)
    step = min((b - a for a, b in itertools.pairwise(shown)), default=1)
    return [shown[0] - (delay - place) * step for place in range(min(delay, len(shown)))] + shown[
        : max(0, len(shown) - delay)
    ]


def _offsets(spans: Sequence[CutSpan]) -> Iterator[tuple[CutSpan, int]]:
    """Each span, and the tick of the result at which it begins."""
    offset = 0
    for span in spans:
        yield span, offset
        offset += span.end - span.start


def _durations(span: CutSpan, offset: int) -> dict[int, int]:
    """Tick of the result → duration in ticks, for each picture of a span."""
    times = [*span.times, span.end]
    return {a - span.start + offset: b - a for a, b in itertools.pairwise(times)}


def _splice(picture: Picture) -> _Splice:
    """Prepare to join pictures of two encoders in an H.264 or HEVC stream."""
    try:
        sets = nal.parameter_sets(picture.codec, picture.extradata)
    except ValueError as error:
        raise SpliceError(str(error)) from error
    if not sets:
        raise SpliceError("the stream's header has no parameter sets")
    options = {}
    if picture.codec == "h264":
        free = nal.free_h264_id(sets)
        if free is None:
            raise SpliceError("the stream has all 32 parameter sets that there can be")
        options["x264-params"] = f"sps-id={free}"
    return _Splice(nal.length_size(picture.codec, picture.extradata), sets, options)


def _copy(
    picture: Picture,
    span: CutSpan,
    part: CutPart,
    offset: int,
    splice: _Splice | None,
    follows: bool,
) -> Iterator[VideoPacket]:
    """The packets of a copied part.

    Args:
        follows: other pictures come before it in the result.
    """
    durations = _durations(span, offset)
    assert part.copy is not None
    count = part.copy.stop - part.copy.start
    with closing(packets_from(picture, part.start)) as found:
        packets = itertools.dropwhile(lambda packet: packet_pts(packet) != part.start, found)
        for number, packet in enumerate(itertools.islice(packets, count)):
            data = bytes(packet)
            if splice is not None:
                data = _spliced(picture.codec, splice, packet, follows and number == 0)
            if packet_pts(packet) >= part.start:  # leading pictures are left out
                pts = packet_pts(packet) - span.start + offset
                yield VideoPacket(pts, 0, durations[pts], packet.is_keyframe, data)


def _spliced(codec: str, splice: _Splice, packet: av.Packet, first: bool) -> bytes:
    """A copied packet with start codes (Annex B), as all packets of the joined stream have.

    Args:
        first: it is the first picture after encoded ones.
    """
    try:
        units = nal.split_units(bytes(packet), splice.length_size)
    except ValueError as error:
        raise SpliceError(f"a damaged packet: {error}") from error
    if first:
        units = nal.splice(codec, units)
    # The numbers of x265's parameter sets cannot be chosen and may be the source's. Repeating the
    # source's sets here makes them valid again for the copied pictures.
    repeated = splice.sets if codec == "hevc" and packet.is_keyframe else []
    return nal.annex_b([*repeated, *units])


def _frames(picture: Picture, span: CutSpan, part: CutPart, offset: int) -> Iterator[av.VideoFrame]:
    """The decoded pictures of a part, at their ticks in the result.

    A picture that began before the part and is still shown at its start comes first.
    """
    shift = offset - span.start
    held = None
    with closing(frames_from(picture, part.start)) as frames:
        for pts, frame in frames:
            if pts >= part.end:
                break
            if pts < part.start:
                held = frame
                continue
            if held is not None and pts > part.start:
                yield _at(held, part.start + shift, picture)
            held = None
            yield _at(frame, pts + shift, picture)
    if held is not None:
        yield _at(held, part.start + shift, picture)


def _at(frame: av.VideoFrame, pts: int, picture: Picture) -> av.VideoFrame:
    frame.pts, frame.time_base = pts, picture.time_base
    frame.pict_type = 0  # let the encoder choose I, P or B; the decoder has set the source's type
    return frame


def _encode(
    context: av.VideoCodecContext, frames: Iterable[av.VideoFrame], durations: dict[int, int]
) -> Iterator[VideoPacket]:
    for frame in itertools.chain(frames, [None]):
        for packet in context.encode(frame):
            pts = packet_pts(packet)
            dts = pts if packet.dts is None else packet.dts
            yield VideoPacket(pts, dts, durations[pts], packet.is_keyframe, bytes(packet))


def _new_encoder(picture: Picture, options: dict[str, str]) -> av.VideoCodecContext:
    context = av.CodecContext.create(ENCODERS[picture.codec], "w")
    assert isinstance(context, av.VideoCodecContext)
    if picture.codec == "h264":
        context.flags |= Flags.global_header
    configure(context, picture, options)
    return context


def configure(
    context: av.VideoCodecContext, picture: Picture, options: Mapping[str, str] | None = None
) -> None:
    """Set an encoder up like the source: size, pixel format, colour, rate, profile, field order."""
    name = context.codec.name
    quality = {**_QUALITY[name], **(options or {})}
    with open_media(picture.path) as container:
        stream = open_stream(container, picture)
        source = stream.codec_context
        context.width, context.height = source.width, source.height
        context.pix_fmt = _pixel_format(source, context.codec)
        context.time_base = picture.time_base
        context.framerate = stream.average_rate or stream.guessed_rate or Fraction(25)
        if stream.sample_aspect_ratio:
            context.sample_aspect_ratio = stream.sample_aspect_ratio
        for field in ("color_range", "color_primaries", "color_trc", "colorspace"):
            setattr(context, field, getattr(source, field))
        if name == "libx264" and picture.codec == "h264" and source.profile in _PROFILES:
            quality["profile"] = _PROFILES[source.profile]
    if not picture.progressive:
        context.flags |= Flags.interlaced_dct | Flags.interlaced_me
    context.options = quality


def _pixel_format(source: av.VideoCodecContext, codec: av.Codec) -> str:
    """The source's pixel format if the encoder takes it, else yuv420p or the encoder's first."""
    taken = [each.name for each in codec.video_formats or []]
    wanted = source.pix_fmt
    if wanted is None:
        raise MediaError("the picture's pixel format is unknown")
    odd = source.width % 2 or source.height % 2
    if codec.name == "libx264" and odd and "444" not in wanted:
        return "yuv444p"  # 4:2:0 and 4:2:2 need even sides
    if not taken or wanted in taken:
        return wanted
    return "yuv420p" if "yuv420p" in taken else taken[0]
