"""The streams, duration and chapters of a media file.

All times are media time in seconds: 0 is the first presented instant, whatever the file's own
timestamps start with.
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
    decode,
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
"""Seconds by which a header's duration may miss the last packet before it is not believed."""

_TAIL = 2
"""Seconds before the promised end from which packets are looked at."""

_ESTIMATED = frozenset("aac ac3 dts dtshd eac3 h264 hevc mp3 mpeg mpegts mpegvideo truehd".split())
"""Formats whose header promises no duration: FFmpeg guesses it from bit rate or timestamps."""

_FIRST_PACKETS = 200
"""Packets that may be needed to see one frame, for its rotation."""


@dataclass(frozen=True)
class Stream:
    """One stream of a media file."""

    index: int
    kind: str
    """``"video"``, ``"audio"``, ``"subtitle"``, ``"attachment"`` (cover art, fonts), or ``"data"``:
    anything else, video and sound of an unknown codec too."""
    codec: str
    """FFmpeg's name of the format (``"h264"``); ``"unknown"`` where no decoder is known."""
    language: str | None
    """As the file says it, mostly ISO 639-2 (``"jpn"``)."""
    title: str | None
    default: bool
    start: float
    """Media time at which it begins, in seconds."""
    duration: float | None
    width: int = 0
    """In pixels as stored, like ``height``."""
    height: int = 0
    rotation: int = 0
    """Degrees clockwise that turn the stored picture upright: 0, 90, 180 or 270."""
    sample_aspect: Fraction = Fraction(1)
    frame_rate: Fraction | None = None
    """The average over the stream; with a variable frame rate no frame need follow it."""
    pixel_format: str | None = None
    sample_rate: int = 0
    channels: int = 0

    @property
    def display_size(self) -> tuple[int, int]:
        """Width and height as a viewer sees it: upright, with square pixels."""
        return display_size(self.width, self.height, self.sample_aspect, self.rotation)


@dataclass(frozen=True)
class MediaInfo:
    """What :func:`probe` found in a file."""

    path: Path
    container: str
    """FFmpeg's name of the format, aliases with commas (``"mov,mp4,m4a,3gp,3g2,mj2"``)."""
    duration: float
    """Seconds from the first presented instant to the end of the last picture or sound."""
    start_time: float
    """The file's own timestamp, in seconds, of media time 0."""
    size_bytes: int
    bit_rate: int | None
    """Bits per second over all streams."""
    streams: tuple[Stream, ...]
    chapters: tuple[Segment, ...]
    truncated: bool
    """Whether the header promises more than there is; ``duration`` is then the measured one."""

    @property
    def video(self) -> Stream | None:
        """The picture that ``frames_at`` shows, or None; cover art is no picture."""
        videos = [stream for stream in self.streams if stream.kind == "video"]
        return max(videos, key=lambda s: (s.default, s.width * s.height), default=None)

    @property
    def audio(self) -> tuple[Stream, ...]:
        """The sound streams in file order."""
        return tuple(stream for stream in self.streams if stream.kind == "audio")


def probe(path: Path | str) -> MediaInfo:
    """Describe a media file by its header, a few frames, and its last packets.

    The header's duration is checked against the file's tail; a file that ends early is read
    through once (not decoded) to see how long it really is.

    Raises:
        MediaError: where the file is missing, unreadable, empty or no media.
    """
    path = Path(path)
    with translated(path), open_media(path) as container:
        return describe(path, container)


def describe(path: Path, container: InputContainer) -> MediaInfo:
    """:func:`probe` in a container that is open; it is left somewhere."""
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
    told = Stream(
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
            told,
            width=stream.width,
            height=stream.height,
            rotation=rotation,
            sample_aspect=fraction(stream.sample_aspect_ratio) or Fraction(1),
            frame_rate=fraction(stream.average_rate) or fraction(stream.guessed_rate) or None,
            pixel_format=stream.pix_fmt,
        )
    if is_sound(stream):
        return replace(told, sample_rate=stream.rate or 0, channels=stream.channels or 0)
    return told


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
    """The stream's own word where it can be believed, else what was seen of its end."""
    if stream.duration is not None and not truncated:
        return float(stream.duration * tick(stream))
    if stream.index not in ends:
        return None
    return max(0.0, float(ends[stream.index] - (stream.start_time or 0) * tick(stream)))


def _measure(container: InputContainer, start: Fraction) -> tuple[float, bool, dict[int, Fraction]]:
    """(seconds, whether the header promises more, the end of each stream that was seen to end)."""
    promised = Fraction(container.duration or 0, av.time_base)
    ends: dict[int, Fraction] = {}
    if promised > _TAIL and _go_to(container, start + promised - _TAIL):
        ends = _ends(container)
    shown = {s.index for s in container.streams if is_picture(s) or is_sound(s)}
    if not shown & ends.keys():
        _go_to(container, start)
        ends = _ends(container)
    last = max((end for index, end in ends.items() if index in shown), default=start)
    measured = max(Fraction(0), last - start)
    claims = [promised]
    if "matroska" in container.format.name:
        claims.append(promised - start)  # its writers differ on whether the start is counted
    for claim in claims:
        if abs(claim - measured) <= _TOLERANCE:
            return float(claim), False, ends
    reached = max(ends.values(), default=start) - start  # subtitles may run on
    known = container.format.name not in _ESTIMATED
    return float(measured), known and min(claims) > reached + _TOLERANCE, ends


def _ends(container: InputContainer) -> dict[int, Fraction]:
    """When the last packet of each stream ends, in the file's own time, from here on."""
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
    """The rotation that the first frame of each picture stream carries, where one decodes.

    One pass for all of them: a file may have hundreds.
    """
    pictures = [stream for stream in container.streams if is_picture(stream)]
    rotations: dict[int, int] = {}
    _go_to(container, origin(container))
    most = _FIRST_PACKETS * len(pictures)
    for packet in itertools.islice(packets(container, *pictures), most) if pictures else ():
        stream = packet.stream
        if is_picture(stream) and stream.index not in rotations:
            rotations.update((stream.index, clockwise(f)) for f in decode(stream, packet)[:1])
            if len(rotations) == len(pictures):
                break
    for stream in pictures:
        if stream.index not in rotations:
            rotations.update((stream.index, clockwise(f)) for f in decode(stream, None)[:1])
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
