"""Open a media file safely and read its packets: what frames, sound and probe share.

Media time counts from the container's start (the earliest timestamp of its streams, as FFmpeg
reports it), so that 0 is what a player shows as 0. :func:`origin` is that start.
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

# What a broken or hostile file may ask of us.
MAX_SIDE = 16384
MAX_PIXELS = 2**26
"""8192x8192: twice the pixels of 8K."""
MAX_STREAMS = 1000
MAX_SAMPLE_RATE = 768_000
MAX_CHANNELS = 64
PACKET_BYTES = 2048
"""What a packet that is kept counts beside its content (1.2 KB measured): a second of a hostile
file may have a million of one byte."""
MAX_PACKET_SAMPLES = 2**22
"""Samples that one packet may hold, each of all channels; real codecs stay below 2**18."""

# What FFmpeg refuses by itself: a header is seen before decoding, the rest of a file is not.
_DECODER_BOUNDS = {"max_pixels": str(MAX_PIXELS), "max_samples": str(MAX_PACKET_SAMPLES)}
_BOUNDS = {"max_streams": str(MAX_STREAMS + 1), **_DECODER_BOUNDS}

MAX_JUMP = 3600.0
"""Seconds that timestamps may jump ahead at once; a longer jump is a damaged timestamp."""

_READ_FAILURES = 100
"""Reads in a row that may fail before the rest of a file is given up."""

# Tags may be in any old encoding. PyAV 19 copes by itself and knows the argument no more.
_ANY_TAGS: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
)

_FORMATS = (
    "aac,ac3,aiff,amr,ape,apng,asf,avi,caf,dts,dtshd,dv,eac3,flac,flv,gif,h264,hevc,ivf,loas,m4v,"
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mpegvideo,mxf,nsv,nut,obu,"
    "ogg,rm,tak,truehd,tta,vc1,vob,voc,w64,wav,wtv,wv,yuv4mpegpipe"
)
"""Files with picture or sound inside. Playlists, which name other files, are not among them."""


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn FFmpeg's errors (which are OSErrors, ValueErrors, …) into a MediaError."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise MediaError(f"{path}: cannot be read as media: {error.strerror}") from error


@contextmanager
def open_media(path: Path | str) -> Iterator[InputContainer]:
    """The opened file, closed when the block ends; nothing but this one file is ever opened.

    Raises:
        MediaError: where the file is missing, unreadable, empty, no media (a still picture or a
            playlist is none), or larger in some dimension than any real media. What becomes too
            large only later does not decode.
    """
    path = Path(path)
    # "file:", or a name like "concat:a|b" would be taken for a protocol.
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
        # The second is a format that is not among ours.
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
    """The container's start in seconds, exact where a stream starts there.

    FFmpeg rounds the container's start to microseconds; the stream that it came from knows better.
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
    """Whether its codec is known; without one PyAV streams lack most attributes."""
    return stream.codec_context is not None


def is_picture(stream: av.stream.Stream) -> TypeGuard[av.VideoStream]:
    """Whether a stream is decodable video and no cover art or thumbnail."""
    cover = Disposition.attached_pic | Disposition.timed_thumbnails
    is_cover = bool(stream.disposition & cover)
    return isinstance(stream, av.VideoStream) and is_decodable(stream) and not is_cover


def is_sound(stream: av.stream.Stream) -> TypeGuard[av.AudioStream]:
    """Whether a stream is decodable sound."""
    return isinstance(stream, av.AudioStream) and is_decodable(stream)


def best_video(streams: Iterable[av.stream.Stream]) -> av.VideoStream | None:
    """The video to show: one with the default flag, then the largest, then the first."""
    videos = [stream for stream in streams if is_picture(stream)]
    return max(videos, key=lambda s: (_is_default(s), s.width * s.height), default=None)


def choose_audio(path: Path, container: InputContainer, wanted: int | str | None) -> av.AudioStream:
    """The sound to hear, by stream index or language; None: the default one, else the first.

    Raises:
        MediaError: where there is no such stream; it names those that there are.
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
    """The packets from here to the end, without FFmpeg's empty flush packets.

    Damaged stretches are stepped over.
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
            return  # PyAV at the end of a file in which a stream appeared on the way
        except av.error.FFmpegError:
            failures += 1


@overload
def decode(stream: av.VideoStream, packet: av.Packet | None) -> list[av.VideoFrame]: ...
@overload
def decode(stream: av.AudioStream, packet: av.Packet | None) -> list[av.AudioFrame]: ...
def decode(
    stream: av.VideoStream | av.AudioStream, packet: av.Packet | None
) -> list[av.VideoFrame] | list[av.AudioFrame]:
    """The frames that come out when ``packet`` goes in (None: the last ones); damage gives none."""
    try:
        return stream.decode(packet)
    except av.error.FFmpegError:
        return []


def tick(stream: av.stream.Stream) -> Fraction:
    """The unit of a stream's timestamps, in seconds."""
    return fraction(stream.time_base) or Fraction(1, av.time_base)


def fraction(value: Any) -> Fraction:
    """A ratio of PyAV's as a Fraction: 19 has a type of its own. None is 0."""
    return Fraction(value) if value else Fraction(0)


def seek(container: InputContainer, stream: av.stream.Stream, time: Fraction) -> bool:
    """Go to the last keyframe at or before a time of the stream; False where FFmpeg cannot."""
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
        what = "is a link to a missing file" if path.is_symlink() else "there is no such file"
        raise MediaError(f"{path}: {what}") from error
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
