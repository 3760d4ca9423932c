"""Write a cut: all streams of the source into a new file, shifted by the same time."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

from clipping.cutting.picture import ENCODERS, FALLBACK, VideoPacket, configure, encode_all, joined
from clipping.cutting.plan import TOLERANCE, CutSpan
from clipping.cutting.sound import Seconds, add_sound, sound_packets
from clipping.cutting.source import Picture, frames_from
from clipping.errors import MediaError
from clipping.media.container import open_media, origin, packets, seek

_STATISTICS = ("BPS", "DURATION", "NUMBER_OF_FRAMES", "NUMBER_OF_BYTES", "_STATISTICS_")
"""Begins of names of Matroska tags that count packets or bytes: they would be wrong after a cut."""
_LONGEST_SUBTITLE = 30
"""Seconds before a span that are searched for a subtitle still shown in it."""

Timed = Iterator[tuple[Fraction, av.Packet]]
"""Packets with their decoding times in seconds, rising."""


def write_cut(
    source: Path,
    output: Path,
    spans: Sequence[Seconds],
    picture: tuple[Picture, Sequence[CutSpan]] | None,
    *,
    encode: bool = False,
    copy_sound: bool = False,
    progress: Callable[[float], None] | None = None,
) -> list[str]:
    """Write the spans (media time) one after the other; return notes on what had to change.

    Args:
        picture: the picture stream and the plan of each span; None for sound alone.
        encode: encode every picture, also those that the plans copy.
        copy_sound: copy the sound's packets; cuts then fall on the edge of a packet.
        progress: called with the seconds written so far.

    Raises:
        MediaError: if the container cannot hold the streams.
        SpliceError: if copied and encoded pictures cannot be put into one stream.
        OSError: if the file cannot be written.
    """
    notes: list[str] = []
    with ExitStack() as stack:
        container = stack.enter_context(open_media(source))
        result = stack.enter_context(_create(output))
        result.metadata.update(container.metadata)
        _keep_chapters(container, result, spans)
        flows: list[Timed] = []
        for stream in container.streams:
            try:
                flow, note = _add(result, stream, source, spans, picture, encode, copy_sound)
            except ValueError as error:
                note = f"{source}: {output.suffix} files cannot hold {stream.name} ({stream.type})"
                if stream.type in ("video", "audio"):
                    raise MediaError(f"{note}; give the output the suffix .mkv") from error
                flow = None
            flows += [flow] if flow else []
            notes += [note] if note else []
        for time, packet in heapq.merge(*flows, key=lambda item: item[0]):
            result.mux(packet)
            if progress is not None:
                progress(float(time))
    return notes


def _add(
    result: OutputContainer,
    stream: av.stream.Stream,
    source: Path,
    spans: Sequence[Seconds],
    picture: tuple[Picture, Sequence[CutSpan]] | None,
    encode: bool,
    copy_sound: bool,
) -> tuple[Timed | None, str | None]:
    """Add a stream to the result for one of the source; its packets (None: none), and a note.

    Raises:
        ValueError: if the container cannot hold the stream.
    """
    if isinstance(stream, av.VideoStream):
        if picture is None or stream.index != picture[0].index:
            return None, f"stream {stream.index} (another picture) is left out"
        return (_encoded if encode else _joined)(result, stream, *picture)
    if isinstance(stream, av.AudioStream) and not copy_sound:
        sound, note = add_sound(result, stream)
        _keep_tags(sound, stream)
        return _timed(sound_packets(source, stream.index, spans, sound)), note
    if stream.type in ("audio", "subtitle"):
        out = result.add_stream_from_template(stream, opaque=True)
        _keep_tags(out, stream)
        return _timed(_copied(source, stream.index, spans, out)), None
    if stream.type == "attachment":
        result.add_stream_from_template(stream)
        return None, None
    return None, f"stream {stream.index} ({stream.type}) is left out"


def _joined(
    result: OutputContainer, stream: av.VideoStream, picture: Picture, spans: Sequence[CutSpan]
) -> tuple[Timed, None]:
    """Add a picture stream with the packets copied and encoded as planned."""
    extradata, found = joined(picture, spans)
    out = result.add_stream_from_template(stream, opaque=True)
    context = out.codec_context
    if extradata is not None:
        context.extradata = extradata
    elif stream.codec_context.codec_tag == "hvc1" and "mp4" in result.format.name:
        # Apple's players want hvc1. It allows parameter sets in the header only (ISO/IEC 14496-15),
        # so it is not kept if they are repeated in the packets.
        context.codec_tag = "hvc1"
    _keep_tags(out, stream)
    return _timed(_to_packets(found, out, picture.time_base)), None


def _encoded(
    result: OutputContainer, stream: av.VideoStream, picture: Picture, spans: Sequence[CutSpan]
) -> tuple[Timed, str | None]:
    """Add a picture stream whose pictures are all encoded again."""
    name = ENCODERS.get(picture.codec, FALLBACK)
    out = result.add_stream(name, rate=stream.average_rate)
    assert isinstance(out, av.VideoStream)
    configure(out.codec_context, picture)
    out.time_base = picture.time_base
    with closing(frames_from(picture, 0)) as frames:
        _, first = next(frames, (0, None))
    if first is not None and first.rotation:
        out.set_display_rotation(first.rotation)
    _keep_tags(out, stream)
    changed = out.codec_context.codec.canonical_name != picture.codec
    note = f"picture became {out.codec_context.codec.canonical_name} (was {picture.codec})"
    packets = encode_all(out.codec_context, picture, spans)
    return _timed(_to_packets(packets, out, picture.time_base)), note if changed else None


def _to_packets(
    found: Iterable[VideoPacket], out: av.VideoStream, time_base: Fraction
) -> Iterator[av.Packet]:
    for each in found:
        packet = av.Packet(each.data)
        packet.pts, packet.dts, packet.duration = each.pts, each.dts, each.duration
        packet.time_base, packet.is_keyframe, packet.stream = time_base, each.keyframe, out
        yield packet


def _timed(found: Iterable[av.Packet]) -> Timed:
    """Each packet with its decoding time in seconds; the streams are merged in this order."""
    for packet in found:
        yield (packet.dts or 0) * packet.time_base, packet


def _copied(
    source: Path, index: int, spans: Sequence[Seconds], out: av.stream.Stream
) -> Iterator[av.Packet]:
    """Copy the packets that begin inside a span; subtitles are clipped to the span."""
    offset, last = Fraction(0), None
    for start, end in spans:
        with open_media(source) as container:
            stream, zero = container.streams[index], origin(container)
            early = _LONGEST_SUBTITLE if stream.type == "subtitle" else 1
            if start > early:
                seek(container, stream, start + zero - early)
            for packet in packets(container, stream):
                pts = packet.pts if packet.pts is not None else packet.dts
                if pts is None or packet.time_base is None:
                    continue
                begin = pts * packet.time_base - zero
                length = (packet.duration or 0) * packet.time_base
                if begin >= end:
                    break
                if stream.type == "subtitle":
                    stop = min(begin + length, end)
                    begin = max(begin, start) if stop > start else begin
                    length = max(stop - begin, Fraction(0))
                time = round((begin - start + offset) / packet.time_base)
                if begin < start - TOLERANCE or (last is not None and time <= last):
                    continue
                last = time
                packet.pts = packet.dts = time
                packet.duration = round(length / packet.time_base)
                packet.stream = out
                yield packet
        offset += end - start


def _keep_tags(out: av.stream.Stream, stream: av.stream.Stream) -> None:
    """Copy language, title and flags, but no tags that count the source's packets."""
    tags = {key: text for key, text in stream.metadata.items() if not key.startswith(_STATISTICS)}
    out.metadata.update(tags)
    out.disposition = stream.disposition


def _keep_chapters(
    container: InputContainer, result: OutputContainer, spans: Sequence[Seconds]
) -> None:
    """Copy the chapters that lie in the spans, moved to their new times."""
    zero, chapters = origin(container), []
    for chapter in container.chapters():
        base = chapter["time_base"] or Fraction(1, av.time_base)
        # The new time of an edge: the kept seconds before it, summed over all spans.
        start, end = (
            sum((min(max(edge * base - zero, a), b) - a for a, b in spans), Fraction(0))
            for edge in (chapter["start"], chapter["end"])
        )
        if start < end:
            moved = chapter.copy()
            moved["start"], moved["end"] = round(start / base), round(end / base)
            chapters.append(moved)
    result.set_chapters(chapters)


@contextmanager
def _create(path: Path) -> Iterator[OutputContainer]:
    """Create a file in the container that its suffix names, and close it at the end of the block.

    Raises:
        MediaError: if the suffix is unknown.
    """
    try:
        result = av.open(f"file:{path}", "w")
    except ValueError as error:
        raise MediaError(
            f"{path.suffix or 'no suffix'}: not the suffix of a container; .mkv takes every stream"
        ) from error
    with result:
        yield result
