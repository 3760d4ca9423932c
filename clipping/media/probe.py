"""Describe a media file: its streams, duration and chapters.

All times are media time in seconds: 0 is the first instant that a player shows, whatever the
file's own timestamps start with.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition

from clipping.media.container import (
    MAX_JUMP,
    decode_packet,
    fraction,
    is_decodable,
    is_picture,
    is_sound,
    open_media,
    origin,
    packets,
    tick,
    translated,
)
from clipping.media.picture import clockwise, display_size
from clipping.segments import Segment

_TOLERANCE = 1.0
"""Largest difference, in seconds, between the header's duration and the end of the last packet for
which the header is believed."""

_TAIL = 2
"""Seconds before the end that the header states, from which packets are read to check it."""

_ESTIMATED = frozenset("aac ac3 dts dtshd eac3 h264 hevc mp3 mpeg mpegts mpegvideo truehd".split())
"""Formats whose header states no duration: FFmpeg estimates it from bit rate or timestamps."""

_FIRST_PACKETS = 200
"""Most packets per picture stream that are read to decode its first frame, for its rotation."""


@dataclass(frozen=True)
class Stream:
    """One stream of a media file."""

    index: int
    kind: str
    """``"video"``, ``"audio"``, ``"subtitle"``, ``"attachment"`` (cover art, fonts), or ``"data"``
    for anything else, including video and sound of an unknown codec."""
    codec: str
    """FFmpeg's name of the codec (``"h264"``); ``"unknown"`` if FFmpeg cannot decode it."""
    language: str | None
    """As written in the file, mostly ISO 639-2 (``"jpn"``); None if it is missing or ``"und"``."""
    title: str | None
    default: bool
    """True if the file marks it as the stream to play by default."""
    start: float
    """Media time at which it begins, in seconds."""
    duration: float | None
    """Seconds; None if the file does not state it and its end was not read."""
    width: int = 0
    """Pixels as stored, like ``height``; 0 if it is no video."""
    height: int = 0
    rotation: int = 0
    """Degrees to turn the stored picture clockwise to make it upright: 0, 90, 180 or 270."""
    sample_aspect: Fraction = Fraction(1)
    """Width of a stored pixel divided by its height."""
    frame_rate: Fraction | None = None
    """Frames per second on average; with a variable frame rate single frames differ from it."""
    pixel_format: str | None = None
    """FFmpeg's name (``"yuv420p"``)."""
    sample_rate: int = 0
    """Samples per second; 0 if it is no sound."""
    channels: int = 0

    @property
    def display_size(self) -> tuple[int, int]:
        """Width and height in pixels as a viewer sees it: upright, with square pixels."""
        return display_size(self.width, self.height, self.sample_aspect, self.rotation)


@dataclass(frozen=True)
class MediaInfo:
    """The description of a media file; :func:`probe` makes it."""

    path: Path
    container: str
    """FFmpeg's name of the format; aliases are joined by commas (``"mov,mp4,m4a,3gp,3g2,mj2"``)."""
    duration: float
    """Seconds from media time 0 to the end of the last picture or sound."""
    start_time: float
    """The file's own timestamp of media time 0, in seconds."""
    size_bytes: int
    bit_rate: int | None
    """Bits per second over all streams."""
    streams: tuple[Stream, ...]
    chapters: tuple[Segment, ...]
    truncated: bool
    """True if the file ends earlier than its header says; ``duration`` is then the measured one."""

    @property
    def video(self) -> Stream | None:
        """The video stream that ``frames_at`` shows, or None; cover art does not count."""
        videos = [stream for stream in self.streams if stream.kind == "video"]
        return max(videos, key=lambda s: (s.default, s.width * s.height), default=None)

    @property
    def audio(self) -> tuple[Stream, ...]:
        """The sound streams in file order."""
        return tuple(stream for stream in self.streams if stream.kind == "audio")


def probe(path: Path | str) -> MediaInfo:
    """Describe a media file by its header, a few frames, and its last packets.

    The header's duration is checked against the last packets. A file that ends earlier is read
    once to its end (not decoded) to measure its duration.

    Raises:
        MediaError: if the file is missing, unreadable, empty or no media.
    """
    path = Path(path)
    with translated(path), open_media(path) as container:
        return probe_container(path, container)


def probe_container(path: Path, container: InputContainer) -> MediaInfo:
    """:func:`probe` for an open container. It moves the reading position."""
    start = origin(container)
    rotations = _rotations(container)
    duration, truncated, ends = _measure(container, start)
    streams = tuple(
        _describe(stream, start, rotations.get(stream.index, 0), truncated, ends)
        for stream in container.streams
    )
    size = container.size
    return MediaInfo(
        path=path,
        container=container.format.name,
        duration=duration,
        start_time=float(start),
        size_bytes=size,
        bit_rate=round(size * 8 / duration) if duration else None,
        streams=streams,
        chapters=_chapters(container, start),
        truncated=truncated,
    )


def _describe(
    stream: av.stream.Stream,
    start: Fraction,
    rotation: int,
    truncated: bool,
    ends: dict[int, Fraction],
) -> Stream:
    codec = stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
    begin = Fraction(0)
    if stream.start_time is not None:
        begin = stream.start_time * tick(stream) - start
    duration = _duration(stream, truncated, ends)
    language = stream.metadata.get("language")
    common = Stream(
        index=stream.index,
        kind=_kind(stream),
        codec=codec,
        language=None if language in (None, "", "und") else language,
        title=stream.metadata.get("title"),
        default=bool(stream.disposition & Disposition.default),
        start=float(begin),
        duration=duration,
    )
    if isinstance(stream, av.VideoStream) and is_decodable(stream):
        return replace(
            common,
            width=stream.width,
            height=stream.height,
            rotation=rotation,
            sample_aspect=fraction(stream.sample_aspect_ratio) or Fraction(1),
            frame_rate=fraction(stream.average_rate) or fraction(stream.guessed_rate) or None,
            pixel_format=stream.pix_fmt,
        )
    if is_sound(stream):
        return replace(common, sample_rate=stream.rate or 0, channels=stream.channels or 0)
    return common


def _kind(stream: av.stream.Stream) -> str:
    if is_picture(stream):
        return "video"
    if is_sound(stream):
        return "audio"
    if stream.type in ("subtitle", "attachment"):
        return stream.type
    cover = stream.type == "video" and is_decodable(stream)
    return "attachment" if cover else "data"


def _duration(stream: av.stream.Stream, truncated: bool, ends: dict[int, Fraction]) -> float | None:
    """The duration in the stream's header if it can be believed, else from its last packet."""
    if stream.duration is not None and not truncated:
        return float(stream.duration * tick(stream))
    if stream.index not in ends:
        return None
    return max(0.0, float(ends[stream.index] - (stream.start_time or 0) * tick(stream)))


def _measure(container: InputContainer, start: Fraction) -> tuple[float, bool, dict[int, Fraction]]:
    """Return (duration in seconds, truncated, the time at which each stream was seen to end).

    Read the packets near the end that the header states; if none of picture or sound is there, read
    the whole file. The header is believed if it agrees with the last packet.
    """
    stated = Fraction(container.duration or 0, av.time_base)
    ends: dict[int, Fraction] = {}
    if stated > _TAIL and _go_to(container, start + stated - _TAIL):
        ends = _ends(container)
    shown = {s.index for s in container.streams if is_picture(s) or is_sound(s)}
    if not shown & ends.keys():
        _go_to(container, start)
        ends = _ends(container)
    last = max((end for index, end in ends.items() if index in shown), default=start)
    measured = max(Fraction(0), last - start)
    readings = [stated]
    if "matroska" in container.format.name:
        readings.append(stated - start)  # Matroska writers differ: some count from 0, not start
    for reading in readings:
        if abs(reading - measured) <= _TOLERANCE:
            return float(reading), False, ends
    reached = max(ends.values(), default=start) - start  # subtitles may end after the picture
    is_stated = container.format.name not in _ESTIMATED
    return float(measured), is_stated and min(readings) > reached + _TOLERANCE, ends


def _ends(container: InputContainer) -> dict[int, Fraction]:
    """Read from the current position; the time at which each stream's last packet ends.

    Seconds of the file's own timestamps, by stream index. Timestamps that jump far ahead are
    damage and are not counted.
    """
    ends: dict[int, Fraction] = {}
    for packet in packets(container):
        begin = packet.pts if packet.pts is not None else packet.dts
        if begin is None:
            continue
        end = (begin + (packet.duration or 0)) * packet.time_base
        if not packet.duration and is_picture(packet.stream):
            end += 1 / (packet.stream.average_rate or Fraction(25))
        before = ends.get(packet.stream_index, end)
        if begin * packet.time_base - before <= MAX_JUMP:
            ends[packet.stream_index] = max(end, before)
    return ends


def _rotations(container: InputContainer) -> dict[int, int]:
    """The rotation in degrees of each picture stream, by index, from its first frame.

    Streams of which no frame decodes are missing. All streams are read in one pass: a file may
    have hundreds.
    """
    pictures = [stream for stream in container.streams if is_picture(stream)]
    rotations: dict[int, int] = {}
    _go_to(container, origin(container))
    most = _FIRST_PACKETS * len(pictures)
    for packet in itertools.islice(packets(container, *pictures), most) if pictures else ():
        stream = packet.stream
        if is_picture(stream) and stream.index not in rotations:
            rotations.update(
                (stream.index, clockwise(f)) for f in decode_packet(stream, packet)[:1]
            )
            if len(rotations) == len(pictures):
                break
    for stream in pictures:
        if stream.index not in rotations:
            rotations.update((stream.index, clockwise(f)) for f in decode_packet(stream, None)[:1])
    return rotations


def _chapters(container: InputContainer, start: Fraction) -> tuple[Segment, ...]:
    chapters = []
    for chapter in container.chapters():
        unit = chapter["time_base"] or Fraction(1, av.time_base)
        begin = max(0.0, float(chapter["start"] * unit - start))
        end = float(chapter["end"] * unit - start)
        if begin < end:
            chapters.append(Segment(begin, end, chapter["metadata"].get("title", "")))
    return tuple(chapters)


def _go_to(container: InputContainer, time: Fraction) -> bool:
    try:
        container.seek(int(time * av.time_base))
    except av.error.FFmpegError:
        return False
    return True
