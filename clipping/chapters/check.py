"""Take a census of a media file (packets, tags, attachments), to check that a rewrite lost none."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
from av.stream import AttachmentStream, Disposition

from clipping.media.container import open_media, origin, packets, tick, translated
from clipping.media.probe import Stream, probe_container

_ROUNDING = 0.0011
"""Seconds that a packet's time may change by: Matroska rounds times to milliseconds."""
_REWRITTEN = frozenset(
    "duration encoder handler_name vendor_id major_brand minor_version compatible_brands".split()
)
"""Tags that each writer sets by itself; they may change."""


@dataclass(frozen=True)
class StreamCensus:
    """One stream: its kind, its settings, and checksums of its content."""

    kind: str
    codec: str
    tags: tuple[tuple[str, str], ...]
    disposition: int
    form: tuple[object, ...]
    """Size, rotation, pixel aspect, sample rate, channels, FourCC, CRC-32 of the codec's header."""
    packets: int
    """Number of packets."""
    content: int
    """CRC-32 of all packets."""
    times: array[float]
    """PTS of each packet, in seconds of media time, in file order."""
    duration: float
    """Seconds of media time at which the last packet ends."""


@dataclass(frozen=True)
class Census:
    """The census of a whole file."""

    tags: tuple[tuple[str, str], ...]
    streams: tuple[StreamCensus, ...]
    attachments: tuple[tuple[str, int], ...]
    """Name and CRC-32 of each attachment and cover (Matroska stores covers as attachments)."""
    carried: tuple[int, ...]
    """Indices of the streams that a rewrite must carry over. Not among them are MP4's tracks of
    chapters and time codes: a writer makes them itself from the chapters and tags."""


def is_cover(stream: av.stream.Stream) -> bool:
    """True for cover art: a single picture that comes with the film."""
    return stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)


def take_census(path: Path) -> Census:
    """Read a file once to its end, without decoding, and return its census.

    Raises:
        MediaError: if the file cannot be read.
    """
    with translated(path), open_media(path) as container:
        zero = origin(container)
        counted = [s for s in container.streams if not _is_time_code(s)]
        content = {stream.index: 0 for stream in counted}
        times: dict[int, array[float]] = {stream.index: array("d") for stream in counted}
        ends = {stream.index: 0.0 for stream in counted}
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
        # A data track without packets is that of an MP4's chapters: FFmpeg reads none from it.
        counted = [s for s in counted if s.type != "data" or times[s.index]]
        probed = {stream.index: stream for stream in probe_container(path, container).streams}
        attachments, streams = [], []
        for stream in counted:
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
                        _form(stream, probed[stream.index]),
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
            tuple(stream.index for stream in counted),
        )


def difference(before: Census, after: Census) -> str | None:
    """A sentence on the first thing that a rewritten file lost or changed; None if nothing."""
    if len(before.streams) != len(after.streams):
        return f"it has {len(after.streams)} streams, not {len(before.streams)}"
    for index, (old, new) in enumerate(zip(before.streams, after.streams, strict=True)):
        for name in ("kind", "codec", "tags", "disposition", "form", "packets", "content"):
            one, other = getattr(old, name), getattr(new, name)
            if name == "tags":  # a writer may add tags
                one, other = (dict(tags) for tags in (one, other))
                other = {key: value for key, value in other.items() if key in one}
            if one != other:
                return f"the {name} of stream {index} ({old.kind}) became {other}, was {one}"
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
    """True for the track that an MP4 writer makes from the tag ``timecode``."""
    return stream.type == "data" and "timecode" in stream.metadata


def _form(stream: av.stream.Stream, probed: Stream) -> tuple[object, ...]:
    """The facts for ``StreamCensus.form``."""
    context = stream.codec_context
    setup: tuple[object, ...] = ()
    if context is not None:
        # In the header of MP4's subtitles each writer puts its own bit rates (box btrt).
        data = b"" if context.name == "mov_text" else context.extradata or b""
        setup = (context.codec_tag, zlib.crc32(data))
    aspect = str(probed.sample_aspect)
    shape = (probed.width, probed.height, probed.rotation, aspect, probed.pixel_format)
    return (*shape, probed.sample_rate, probed.channels, *setup)


def _tags(metadata: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            (key.lower(), value)
            for key, value in metadata.items()
            if key.lower() not in _REWRITTEN and (key.lower(), value) != ("language", "und")
        )
    )
