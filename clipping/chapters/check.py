"""What must not change when a file is rewritten: every packet, tag and attachment, as a census."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
from av.stream import AttachmentStream, Disposition

from clipping.media.container import open_media, origin, packets, tick, translated
from clipping.media.probe import Stream, describe

_ROUNDING = 0.0011
"""Seconds: Matroska counts in milliseconds."""
_REWRITTEN = frozenset(
    "duration encoder handler_name vendor_id major_brand minor_version compatible_brands".split()
)
"""Tags that every writer sets by itself."""


@dataclass(frozen=True)
class StreamCensus:
    """One stream: what it is, and all that it holds."""

    kind: str
    codec: str
    tags: tuple[tuple[str, str], ...]
    disposition: int
    form: tuple[object, ...]
    """Size, rotation, shape of pixels, rate, channels, FourCC, and what sets the decoder up."""
    packets: int
    content: int
    """CRC-32 of all packets, or of an attachment."""
    times: array[float]
    """PTS of every packet in seconds from the file's start."""
    duration: float
    """Seconds, as the last packet ends."""


@dataclass(frozen=True)
class Census:
    """A whole file."""

    tags: tuple[tuple[str, str], ...]
    streams: tuple[StreamCensus, ...]
    attachments: tuple[tuple[str, int], ...]
    """Name and CRC-32; covers, which Matroska keeps as attachments, too."""
    carried: tuple[int, ...]
    """The numbers of the streams in the file that are counted here: not the tracks in which MP4
    keeps chapters and time codes, which are written anew from what they mean."""


def is_cover(stream: av.stream.Stream) -> bool:
    """Whether it is a picture beside the film, not of it."""
    return stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)


def take(path: Path) -> Census:
    """Read a file through once, without decoding.

    Raises:
        MediaError: where it cannot be read.
    """
    with translated(path), open_media(path) as container:
        zero = origin(container)
        mine = [s for s in container.streams if not _is_time_code(s)]
        content = {stream.index: 0 for stream in mine}
        times: dict[int, array[float]] = {stream.index: array("d") for stream in mine}
        ends = {stream.index: 0.0 for stream in mine}
        for packet in packets(container):
            index = packet.stream_index
            if index not in content:
                continue
            content[index] = zlib.crc32(packet, content[index])
            pts = packet.pts if packet.pts is not None else packet.dts
            time = float((pts or 0) * tick(packet.stream) - zero)
            times[index].append(time)
            length = float((packet.duration or 0) * tick(packet.stream))
            ends[index] = max(ends[index], time + length)
        # FFmpeg reads no packets from the track of an MP4's chapters.
        mine = [s for s in mine if s.type != "data" or times[s.index]]
        told = {stream.index: stream for stream in describe(path, container).streams}
        attachments, streams = [], []
        for stream in mine:
            name = stream.metadata.get("filename", "")
            if isinstance(stream, AttachmentStream):
                attachments.append((name, zlib.crc32(stream.data or b"")))
            elif is_cover(stream):
                attachments.append((name, content[stream.index]))
            else:
                streams.append(
                    StreamCensus(
                        stream.type,
                        stream.codec_context.name if stream.codec_context else "",
                        _tags(stream.metadata),
                        int(stream.disposition),
                        _form(stream, told[stream.index]),
                        len(times[stream.index]),
                        content[stream.index],
                        times[stream.index],
                        ends[stream.index],
                    )
                )
        return Census(
            _tags(container.metadata),
            tuple(streams),
            tuple(sorted(attachments)),
            tuple(stream.index for stream in mine),
        )


def difference(before: Census, after: Census) -> str | None:
    """The first thing that a rewritten file lost or changed; None where all is there."""
    if len(before.streams) != len(after.streams):
        return f"it has {len(after.streams)} streams, not {len(before.streams)}"
    for index, (old, new) in enumerate(zip(before.streams, after.streams, strict=True)):
        for what in ("kind", "codec", "tags", "disposition", "form", "packets", "content"):
            one, other = getattr(old, what), getattr(new, what)
            if what == "tags":
                one, other = (dict(tags) for tags in (one, other))
                other = {key: value for key, value in other.items() if key in one}
            if one != other:
                return f"the {what} of stream {index} ({old.kind}) became {other}, was {one}"
        moved = max((abs(a - b) for a, b in zip(old.times, new.times, strict=True)), default=0.0)
        if moved > _ROUNDING:
            return f"a packet of stream {index} ({old.kind}) moved by {moved:.4f} s"
        if old.duration and abs(old.duration - new.duration) > 2 * _ROUNDING:
            return (
                f"stream {index} ({old.kind}) ends at {new.duration:.3f} s, not {old.duration:.3f}"
            )
    if before.attachments != after.attachments:
        return f"the attachments became {after.attachments}, were {before.attachments}"
    lost = dict(before.tags).items() - dict(after.tags).items()
    return f"the tag {min(lost)} is lost" if lost else None


def _is_time_code(stream: av.stream.Stream) -> bool:
    """Whether it is the track that MP4's writer makes of a tag."""
    return stream.type == "data" and "timecode" in stream.metadata


def _form(stream: av.stream.Stream, told: Stream) -> tuple[object, ...]:
    context = stream.codec_context
    setup: tuple[object, ...] = ()
    if context is not None:
        # Behind the style of an MP4's subtitles every writer puts a box of its own (btrt).
        data = b"" if context.name == "mov_text" else context.extradata or b""
        setup = (context.codec_tag, zlib.crc32(data))
    shape = (told.width, told.height, told.rotation, str(told.sample_aspect), told.pixel_format)
    return (*shape, told.sample_rate, told.channels, *setup)


def _tags(metadata: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            (key.lower(), value)
            for key, value in metadata.items()
            if key.lower() not in _REWRITTEN and (key.lower(), value) != ("language", "und")
        )
    )
