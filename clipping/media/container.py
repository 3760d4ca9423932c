"""Open a media file safely, choose its streams and read its packets (for frames, sound, probe).

Media time is seconds from the container's start: the earliest timestamp of its streams, as FFmpeg
reports it. So media time 0 is what a player shows as 0. :func:`origin` returns that start.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeGuard, overload

import av
from av.container import InputContainer
from av.stream import Disposition

from clipping.errors import MediaError
from clipping.storage import Ranges, url_of

# Upper bounds, so that a broken or hostile file cannot take all memory.
MAX_SIDE = 16384
MAX_PIXELS = 2**26
"""8192x8192: twice the pixels of 8K."""
MAX_STREAMS = 1000
MAX_SAMPLE_RATE = 768_000
MAX_CHANNELS = 64
PACKET_BYTES = 2048
"""Bytes that a packet held in memory counts in addition to its content (1.2 KB were measured): one
second of a hostile file may have a million packets of one byte."""
MAX_PACKET_SAMPLES = 2**22
"""Most samples (of all channels at one instant) in one packet; real codecs stay below 2**18."""

# Bounds that FFmpeg itself holds while it decodes. We check the header when a file is opened, but
# a stream may change its size later.
_DECODER_BOUNDS = {"max_pixels": str(MAX_PIXELS), "max_samples": str(MAX_PACKET_SAMPLES)}
_BOUNDS = {"max_streams": str(MAX_STREAMS + 1), **_DECODER_BOUNDS}

MAX_JUMP = 3600.0
"""Longest jump ahead, in seconds, between neighbouring timestamps; a longer one is damage."""

_READ_FAILURES = 100
"""Failed reads in a row after which the rest of a file is not read."""

# Tags may be in any old encoding. PyAV 19 handles that itself and has no such argument any more.
_ANY_TAGS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
)

_FORMATS = (
    "aac,ac3,aiff,amr,ape,apng,asf,avi,caf,dts,dtshd,dv,eac3,flac,flv,gif,h264,hevc,ivf,loas,m4v,"
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nsv,nut,obu,"
    "ogg,rm,tak,truehd,tta,vc1,vob,voc,w64,wav,wtv,wv,yuv4mpegpipe"
)
"""FFmpeg's names of the formats that hold picture or sound. Playlists are left out on purpose:
they name other files, which FFmpeg would then open."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of FFmpeg (subclasses of OSError, ValueError, …) into a MediaError."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise MediaError(f"{path}: cannot be read as media: {error.strerror}") from error


@contextmanager
def open_media(path: Path | str) -> Iterator[InputContainer]:
    """Open a media file and close it when the block ends; FFmpeg opens no other file for it.

    Raises:
        MediaError: if the file is missing, unreadable or empty; if it is no media file (still
            pictures and playlists are none); or if its header asks for more than any real media
            (see the bounds of this module). A stream that becomes too large later does not decode.
    """
    path = Path(path)
    # Without "file:" FFmpeg would take a name like "concat:a|b" for a protocol.
    source: str | Ranges = f"file:{path}"
    protocols = "file"
    if (url := url_of(path)) is not None:
        source, protocols = Ranges(url), "none"
    else:
        _check_file(path)
    try:
        container = av.open(
            source,
            options={"protocol_whitelist": protocols, "format_whitelist": _FORMATS, **_BOUNDS},
            **_ANY_TAGS,
        )
    except (av.error.InvalidDataError, av.error.ArgumentError) as error:
        # ArgumentError: the format is not on our list.
        raise MediaError(
            f"{path}: is no media file, or its header is damaged or cut off"
        ) from error
    except av.error.FFmpegError as error:
        raise MediaError(f"{path}: cannot be opened: {error.strerror}") from error
    with container:
        _check_content(path, container)
        for stream in container.streams:
            if is_decodable(stream):
                stream.codec_context.options = dict(_DECODER_BOUNDS)
        yield container


def origin(container: InputContainer) -> Fraction:
    """The container's start, in seconds of the file's own timestamps.

    FFmpeg rounds the container's start to microseconds. The start of the stream that it was taken
    from is exact, so that one is used.
    """
    if container.start_time is None:
        return Fraction(0)
    start = Fraction(container.start_time, av.time_base)
    exact = (
        stream.start_time * tick(stream)
        for stream in container.streams
        if stream.start_time is not None
    )
    return min((time for time in exact if abs(time - start) * av.time_base <= 1), default=start)


def is_decodable(stream: av.stream.Stream) -> bool:
    """True if the codec is known; PyAV's streams without a codec lack most attributes."""
    return stream.codec_context is not None


def is_picture(stream: av.stream.Stream) -> TypeGuard[av.VideoStream]:
    """True for decodable video that is neither cover art nor a thumbnail."""
    cover = Disposition.attached_pic | Disposition.timed_thumbnails
    is_cover = bool(stream.disposition & cover)
    return isinstance(stream, av.VideoStream) and is_decodable(stream) and not is_cover


def is_sound(stream: av.stream.Stream) -> TypeGuard[av.AudioStream]:
    """True for decodable sound."""
    return isinstance(stream, av.AudioStream) and is_decodable(stream)


def best_video(streams: Iterable[av.stream.Stream]) -> av.VideoStream | None:
    """The video stream to show: default flag first, then most pixels, then file order."""
    videos = [stream for stream in streams if is_picture(stream)]
    return max(videos, key=lambda s: (_is_default(s), s.width * s.height), default=None)


def choose_audio(path: Path, container: InputContainer, wanted: int | str | None) -> av.AudioStream:
    """The sound stream of an index or language; None: the default stream, else the first.

    Raises:
        MediaError: if there is no such stream; the message lists the streams that exist.
    """
    streams = [stream for stream in container.streams if is_sound(stream)]
    if not streams:
        raise MediaError(f"{path}: has no sound")
    for stream in sorted(streams, key=lambda s: not _is_default(s)):
        if wanted in (None, stream.index, stream.metadata.get("language")):
            return stream
    known = ", ".join(f"{s.index} ({s.metadata.get('language', 'und')})" for s in streams)
    raise MediaError(f"{path}: has no sound stream {wanted!r}; it has {known}")


def packets(container: InputContainer, *streams: av.stream.Stream) -> Iterator[av.Packet]:
    """The packets from the current position to the end, without FFmpeg's empty flush packets.

    Damaged stretches are skipped.
    """
    failures = 0
    while failures < _READ_FAILURES:
        try:
            for packet in container.demux(*streams):
                if packet.size:
                    failures = 0
                    yield packet
            return
        except IndexError:
            return  # PyAV raises it at the end of a file in which a stream appeared late
        except av.error.FFmpegError:
            failures += 1


@overload
def decode_packet(stream: av.VideoStream, packet: av.Packet | None) -> list[av.VideoFrame]: ...
@overload
def decode_packet(stream: av.AudioStream, packet: av.Packet | None) -> list[av.AudioFrame]: ...
def decode_packet(
    stream: av.VideoStream | av.AudioStream, packet: av.Packet | None
) -> list[av.VideoFrame] | list[av.AudioFrame]:
    """Give the decoder a packet and return the frames that come out; [] for a damaged packet.

    A decoder holds frames back, so they need not be those of this packet. ``None`` flushes it: the
    frames that it still holds come out.
    """
    try:
        return stream.decode(packet)
    except av.error.FFmpegError:
        return []


def tick(stream: av.stream.Stream) -> Fraction:
    """Seconds of one unit of a stream's timestamps (its time base)."""
    return fraction(stream.time_base) or Fraction(1, av.time_base)


def fraction(value: Any) -> Fraction:
    """PyAV's ratio as a Fraction (PyAV 19 has a type of its own); None becomes 0."""
    return Fraction(value) if value else Fraction(0)


def seek(container: InputContainer, stream: av.stream.Stream, time: Fraction) -> bool:
    """Go to the last keyframe at or before ``time``; return False if FFmpeg cannot.

    Args:
        time: seconds of the file's own timestamps (media time plus :func:`origin`).
    """
    try:
        container.seek(int(time / tick(stream)), stream=stream)
    except av.error.FFmpegError:
        return False
    return True


def _is_default(stream: av.stream.Stream) -> bool:
    return bool(stream.disposition & Disposition.default)


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise MediaError(f"{path}: is a folder, not a media file")
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(f"{path}: is not a regular file")
        path.open("rb").close()
    except FileNotFoundError as error:
        reason = "is a link to a missing file" if path.is_symlink() else "there is no such file"
        raise MediaError(f"{path}: {reason}") from error
    except OSError as error:
        raise MediaError(f"{path}: cannot be read: {error.strerror}") from error
    if status.st_size == 0:
        raise MediaError(f"{path}: is empty (0 bytes)")


def _check_content(path: Path, container: InputContainer) -> None:
    if len(container.streams) > MAX_STREAMS:
        raise MediaError(f"{path}: has more than {MAX_STREAMS} streams")
    for stream in container.streams:
        if isinstance(stream, av.VideoStream) and is_decodable(stream):
            size = (stream.width, stream.height)
            if max(size) > MAX_SIDE or size[0] * size[1] > MAX_PIXELS:
                raise MediaError(
                    f"{path}: frames of {size[0]}x{size[1]} are larger than any real video"
                )
        elif is_sound(stream):
            rate, channels = stream.rate or 0, stream.channels or 0
            if rate > MAX_SAMPLE_RATE or channels > MAX_CHANNELS:
                raise MediaError(
                    f"{path}: sound of {rate} Hz in {channels} channels is beyond any real sound"
                )
    if not any(is_picture(stream) or is_sound(stream) for stream in container.streams):
        raise MediaError(f"{path}: holds neither picture nor sound that can be decoded")
