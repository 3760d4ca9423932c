"""Read the packets and pictures of a file from a given time on, for cutting."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from clipping.errors import MediaError
from clipping.media.container import (
    best_video,
    decode_packet,
    fraction,
    open_media,
    origin,
    packets,
    seek,
)

_BACK_SECONDS = (0, 2, 10, 60)
"""Seconds to seek before the wanted time, one after the other, until a keyframe is early enough."""
_CODECS = {"libdav1d": "av1", "libvpx": "vp8", "libvpx-vp9": "vp9"}
"""Decoder → codec, if the two have different names."""


@dataclass(frozen=True)
class Picture:
    """The facts about a file's picture stream that cutting needs."""

    path: Path
    index: int
    codec: str
    extradata: bytes
    time_base: Fraction
    origin: Fraction
    """Media time 0, in seconds of the stream's own timestamps."""
    progressive: bool
    """False for interlaced video."""

    def ticks(self, time: Fraction) -> Fraction:
        """Seconds of media time → ticks of the stream."""
        return (time + self.origin) / self.time_base

    def time(self, ticks: int) -> Fraction:
        """Ticks of the stream → seconds of media time."""
        return ticks * self.time_base - self.origin


def read_picture_info(path: Path) -> Picture | None:
    """The picture stream that a player shows; None for a file with sound only.

    Raises:
        MediaError: if the file cannot be read.
    """
    with open_media(path) as container:
        stream = best_video(tuple(container.streams))
        if stream is None:
            return None
        context = stream.codec_context
        return Picture(
            path=path,
            index=stream.index,
            codec=_CODECS.get(context.name, context.name),
            extradata=context.extradata or b"",
            time_base=fraction(stream.time_base) or Fraction(1, 1000),
            origin=origin(container),
            progressive=context.field_order in (0, 1),  # AVFieldOrder: unknown, progressive
        )


def open_stream(container: av.container.InputContainer, picture: Picture) -> av.VideoStream:
    """The picture stream of an open file, set up to decode with several threads."""
    stream = next(each for each in container.streams.video if each.index == picture.index)
    stream.thread_type = "AUTO"
    return stream


def packets_from(picture: Picture, pts: float | Fraction) -> Generator[av.Packet[av.VideoStream]]:
    """The packets from the last keyframe at or before ``pts`` on, in decoding order.

    If the file's first keyframe is later, they begin there.
    """
    for back in _BACK_SECONDS:
        with open_media(picture.path) as container:
            stream = open_stream(container, picture)
            if seek(container, stream, Fraction(pts) * picture.time_base - back):
                found = _from_keyframe(container, stream)
                first = next(found, None)
                if first is not None and packet_pts(first) <= pts:
                    yield from _from_nearest(itertools.chain([first], found), pts)
                    return
    with open_media(picture.path) as container:
        stream = open_stream(container, picture)
        yield from _from_nearest(_from_keyframe(container, stream), pts)


def frames_from(picture: Picture, pts: float | Fraction) -> Generator[tuple[int, av.VideoFrame]]:
    """(tick, picture) of each decoded picture from the last keyframe at or before ``pts`` on.

    Damaged packets are skipped, as a player does.
    """
    with closing(packets_from(picture, pts)) as found:
        stream: av.VideoStream | None = None
        for packet in found:
            stream = packet.stream
            yield from _shown(stream, packet)
        if stream is not None:
            yield from _shown(stream, None)


def _shown(stream: av.VideoStream, packet: av.Packet | None) -> Iterator[tuple[int, av.VideoFrame]]:
    for frame in decode_packet(stream, packet):
        if isinstance(frame, av.VideoFrame) and frame.pts is not None:
            yield frame.pts, frame


def packet_pts(packet: av.Packet) -> int:
    """The tick at which a packet is shown (its decoding timestamp if that is all it has).

    Raises:
        MediaError: if the packet has no timestamp at all.
    """
    pts = packet.dts if packet.pts is None else packet.pts
    if pts is None:
        name = packet.stream.container.name.removeprefix("file:")
        raise MediaError(
            f"{name}: stream {packet.stream_index} has packets without timestamps; "
            "put it into an mkv or mp4 file first"
        )
    return pts


def _from_keyframe(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.Packet]:
    return itertools.dropwhile(lambda packet: not packet.is_keyframe, packets(container, stream))


def _from_nearest(found: Iterator[av.Packet], pts: float | Fraction) -> Iterator[av.Packet]:
    """Leave out the groups of pictures before the last keyframe at or before ``pts``."""
    waiting: list[av.Packet] = []
    for packet in found:
        time = packet_pts(packet)
        if packet.is_keyframe and time <= pts:
            waiting = []  # a later keyframe will do: the packets before it are not needed
        waiting.append(packet)
        if time > pts:
            break
    yield from waiting
    yield from found
